"""Checkpoints of a run evaluated as they come, beside the run, and what was found appended to a log."""
