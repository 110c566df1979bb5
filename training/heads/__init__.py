"""Heads for user-provided labels: model, data, loss, and metrics during training."""
