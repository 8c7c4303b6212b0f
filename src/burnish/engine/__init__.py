"""What keeps a run sound: randomness, checkpoints, guards and signals."""
