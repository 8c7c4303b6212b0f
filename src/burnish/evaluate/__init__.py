"""Fixed prompts, fixed seeds, deterministic sampling: what a model can do."""
