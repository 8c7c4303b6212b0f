"""Recipes: what a run depends on, as strict YAML. Nothing here imports torch."""
