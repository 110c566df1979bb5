"""Checkpoints of Hugging Face, NeMo 2, Megatron-Bridge, NVLlama, PEFT and GGUF: one table of weights, read as data."""
