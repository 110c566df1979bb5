"""Which weights decay: one rule for both engines."""

import torch


def without_weight_decay(name: str, parameter: torch.nn.Parameter) -> bool:
    """True for norms, biases and the input embedding. `name` is Megatron-Core's."""
    return name.endswith(".bias") or parameter.dim() == 1 or "word_embeddings" in name
