"""Data loading and checkpoints."""
