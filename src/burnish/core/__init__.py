"""The algorithm: pure functions of rewards, log-probabilities and masks. Imports torch and nothing else."""
