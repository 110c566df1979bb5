"""Inside a run of Megatron-Bridge: its packages, data, steps, log and checkpoints."""
