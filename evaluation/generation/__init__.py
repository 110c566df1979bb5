"""New sequence."""
