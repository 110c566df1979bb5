"""The forward pass of NeMo's adapters on a CPU, where every pass over a wide tensor takes time."""

from typing import Any

import torch
from megatron.core.tensor_parallel import gather_from_sequence_parallel_region, scatter_to_sequence_parallel_region


def scale_between_the_factors(adapter: Any, x: torch.Tensor) -> torch.Tensor:
    """`ParallelLinearAdapter.forward` of NeMo with alpha / rank on the narrow product, [sequence, batch, rank].

    NeMo multiplies what it adds to the layer, which has the layer's width, and its gradient.
    """
    if adapter.dropout is not None and adapter.dropout_position == "pre":
        x = adapter.dropout(x)
    if not adapter.disable_sequence_parallel_comm and not adapter.input_is_parallel:
        x = gather_from_sequence_parallel_region(x)
    narrow, _ = adapter.linear_in(x)
    wide, _ = adapter.linear_out(adapter.activation(narrow) * (adapter.alpha / adapter.dim))
    if not adapter.disable_sequence_parallel_comm and adapter.input_is_parallel:
        wide = scatter_to_sequence_parallel_region(wide)
    if adapter.dropout is not None and adapter.dropout_position == "post":
        wide = adapter.dropout(wide)
    result: torch.Tensor = wide
    return result
