"""The two copies that an FP8 weight has on Hopper: its bytes, and the same transposed for the backward pass."""

from typing import Any


def renew_transposes(optimizer: Any) -> None:
    """Have Megatron-Core's optimizer mark the transposed copies of FP8 weights as old whenever it writes new bytes.

    With delayed scaling and the precision-aware Adam, Transformer Engine writes the bytes and nothing marks the copies:
    the method below returns early, and the backward pass would read the first weights for ever (megatron-core 0.15.3,
    distrib_optimizer.py: `_copy_main_params_to_model_params`). In every other case Megatron-Core marks them there.
    Layers make a copy again from the bytes, after these were gathered.
    """
    if not hasattr(optimizer, "model_chunks"):
        return  # not distributed, so not precision-aware
    copy = optimizer._copy_main_params_to_model_params
    weights = [weight for chunk in optimizer.model_chunks for weight in chunk.parameters()]
    transposed = [weight for weight in weights if hasattr(weight, "_transpose_invalid")]

    def copy_and_mark() -> None:
        copy()
        for weight in transposed:
            weight._reset_caches()

    if transposed:
        optimizer._copy_main_params_to_model_params = copy_and_mark
