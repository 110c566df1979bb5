"""Guards that stop a run before it corrupts its weights or hangs forever."""
