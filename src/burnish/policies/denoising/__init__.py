"""Denoising policies: one loop for every backbone; a backbone holds conditioning and prediction only."""
