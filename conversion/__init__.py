"""Hugging Face <-> NeMo 2: one table of weights, streamed, strict, checkpoints read as data. No NeMo needed."""
