"""Inside a run: data, checkpoints, guards, metrics."""
