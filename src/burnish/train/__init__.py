"""The training loop: sample, score, advantage, evaluate, objective, step."""
