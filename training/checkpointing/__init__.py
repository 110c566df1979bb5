"""Checkpoints of a run: written whole, found again, compared before they are loaded; and weights to start from."""
