"""Fake tensors for whole steps: values that code asks for, bytes that are alive, collectives that move nothing."""

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from benchmarks.emulated_gpu.collectives import Done
from benchmarks.emulated_gpu.kernels.registry import inside_a_kernel


class Numbers(TorchFunctionMode):
    """Fake tensors have no values: a number where one is asked for, as of finite gradients and flags that are set."""

    ANSWERS = {  # noqa: RUF012
        torch.Tensor.item: 1.0,
        torch.Tensor.__float__: 1.0,
        torch.Tensor.__bool__: True,
        torch.Tensor.__int__: 1,
    }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self.ANSWERS and isinstance(args[0], FakeTensor):
            return self.ANSWERS[func]
        return func(*args, **(kwargs or {}))


class LiveBytes(TorchDispatchMode):
    """Bytes of the fake tensors that are alive, in blocks of 512 as CUDA's allocator hands them out, and their peak.

    What an emulated kernel holds while it runs does not count towards the peak.
    """

    BLOCK = 512

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def forget_peak(self) -> None:
        self.peak = self.now

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tree_map_only(FakeTensor, self._add, out)
        if not inside_a_kernel():
            self.peak = max(self.peak, self.now)
        return out

    def _add(self, tensor: FakeTensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = -(-storage.nbytes() // self.BLOCK) * self.BLOCK
            self.now += self._sizes[key]
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


@contextlib.contextmanager
def fp8_on_fake_tensors() -> Iterator[None]:
    """Let Transformer Engine's FP8 tensors hold fake bytes, and its attention take fake tensors for plain ones."""
    from transformer_engine.pytorch.attention.dot_product_attention import utils as attention
    from transformer_engine.pytorch.tensor.quantized_tensor import QuantizedTensor

    dispatch = FakeTensor.__torch_dispatch__.__func__

    def without_fp8(cls: type, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(cls, func, tuple(t for t in types if not issubclass(t, QuantizedTensor)), args, kwargs)

    parameters = attention.AttentionParams

    def plain(**fields: Any) -> Any:
        if issubclass(fields["qkv_type"], FakeTensor):
            fields["qkv_type"] = torch.Tensor
        return parameters(**fields)

    with (
        patch.object(FakeTensor, "__torch_dispatch__", classmethod(without_fp8)),
        patch.object(attention, "AttentionParams", plain),
    ):
        yield


@contextlib.contextmanager
def silent_collectives() -> Iterator[None]:
    """Collectives that check sizes and dtypes as NCCL does, and move nothing."""
    from megatron.core.distributed import param_and_grad_buffer as buffers
    from megatron.core.tensor_parallel import layers, mappings, utils

    distributed = torch.distributed
    names = {
        "all_reduce": _in_place,
        "broadcast": _in_place,
        "all_gather_into_tensor": _gather,
        "_all_gather_base": _gather,
        "reduce_scatter_tensor": _scatter,
        "_reduce_scatter_base": _scatter,
        "all_gather_object": _everywhere,
        "barrier": lambda *arguments, **options: None,
    }
    with contextlib.ExitStack() as stack:
        for name, function in names.items():
            stack.enter_context(patch.object(distributed, name, function))
        for module in (buffers, layers, mappings, utils):
            for name, function in (("dist_all_gather_func", _gather), ("dist_reduce_scatter_func", _scatter)):
                if hasattr(module, name):
                    stack.enter_context(patch.object(module, name, function))
        yield


def _in_place(tensor: torch.Tensor, *arguments: Any, async_op: bool = False, **options: Any) -> Any:
    assert tensor.is_contiguous()
    return Done() if async_op else None


def _gather(output_tensor: torch.Tensor, input_tensor: torch.Tensor, group: Any = None, async_op: bool = False) -> Any:
    ranks = torch.distributed.get_world_size(group)
    assert output_tensor.numel() == input_tensor.numel() * ranks, (output_tensor.shape, input_tensor.shape, ranks)
    assert output_tensor.dtype == input_tensor.dtype, (output_tensor.dtype, input_tensor.dtype)
    return Done() if async_op else None


def _scatter(
    output: torch.Tensor, input: torch.Tensor, op: Any = None, group: Any = None, async_op: bool = False
) -> Any:
    return _gather(input, output, group, async_op)


def _everywhere(objects: list[Any], one: Any, group: Any = None) -> None:
    objects[:] = [one] * len(objects)
