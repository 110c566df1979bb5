"""Checkpoints of NeMo, Megatron-Core and Megatron-Bridge."""
