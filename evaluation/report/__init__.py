"""Pages about a run and its model."""
