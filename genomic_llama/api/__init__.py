"""The Python API: a function for each command that uses a model, on sequence that is in memory or in files."""
