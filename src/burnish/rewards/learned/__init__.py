"""Learned rewards of the field, computed by transformers' models from local checkpoints."""
