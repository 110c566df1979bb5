"""The same recipes without a GPU: what Megatron-Core and NeMo need so that they train on CPU tensors and gloo."""
