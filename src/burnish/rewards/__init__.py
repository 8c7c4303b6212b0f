"""Rewards: images and prompts in, one number an image out."""
