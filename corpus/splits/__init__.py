"""Which document belongs to which split."""
