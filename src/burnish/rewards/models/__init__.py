"""Learned rewards of the field, from their official weights on this machine; nothing is downloaded."""
