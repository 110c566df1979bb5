"""What Megatron-Core leaves undone where Transformer Engine's Adam writes FP8 weights itself."""

from typing import Any


def finish_updates(optimizer: Any) -> None:
    """Have Megatron-Core's optimizer complete FP8 weights on every rank whenever new bytes are written.

    With delayed scaling and the precision-aware Adam, Transformer Engine writes bytes and their scale, each rank those
    of its own shard, and Megatron-Core's method below returns early (megatron-core 0.15.3, distrib_optimizer.py:
    `_copy_main_params_to_model_params`). Two things then stay as they were, silently, which it sees to in all other
    cases: the scale of a weight on the ranks that own no part of it, although they gather its bytes; and the transposed
    copy on Hopper, which the backward pass would always read.

    The scales are the same on all ranks, which reduce the largest values that they are made of. Frozen weights keep
    theirs, since their bytes are not written. Layers make the copy again from the bytes, after these were gathered.
    """
    if not hasattr(optimizer, "model_chunks"):
        return  # not distributed, so not precision-aware
    copy = optimizer._copy_main_params_to_model_params
    parameters = [parameter for chunk in optimizer.model_chunks for parameter in chunk.parameters()]
    weights = [weight for weight in parameters if weight.requires_grad and hasattr(weight, "_transpose_invalid")]

    def copy_and_finish() -> None:
        copy()
        if not optimizer.config.use_precision_aware_optimizer_no_fp8_or_ds_fp8:
            return
        for weight in weights:
            weight._scale_inv.copy_(weight._quantizer.scale.reciprocal())
            weight._reset_caches()

    if weights:
        optimizer._copy_main_params_to_model_params = copy_and_finish
