"""Adapters that begin with the same numbers in both engines and all layouts, which draw them in orders of their own."""

from typing import Any

import torch


def one_start() -> None:
    """What adapters read with begins by its shape alone, in this process: each rank takes its part of one draw."""
    from megatron.core import parallel_state

    def by_shape(tensor: Any) -> Any:
        shape, split = list(tensor.shape), getattr(tensor, "tensor_model_parallel", False)
        if split:
            shape[tensor.partition_dim] *= parallel_state.get_tensor_model_parallel_world_size()
        numbers = torch.randn(shape, generator=torch.Generator().manual_seed(1000 * shape[0] + shape[1]))
        numbers *= (2 / sum(shape)) ** 0.5
        if split:
            size = tensor.shape[tensor.partition_dim]
            start = size * parallel_state.get_tensor_model_parallel_rank()
            numbers = numbers.narrow(tensor.partition_dim, start, size)
        with torch.no_grad():
            return tensor.copy_(numbers)

    torch.nn.init.xavier_normal_ = by_shape
