"""Prompts from files and from the embedded world, and the order in which they are drawn."""
