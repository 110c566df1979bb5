"""The written checkpoint against its source: read back, put into the source's layout, compared bit for bit."""

from typing import TYPE_CHECKING, Protocol

from conduct.errors import InputError
from conduct.progress import Advance
from configs.llama import LlamaArchitecture
from conversion.weight_table import Weight

if TYPE_CHECKING:
    import torch


class Checkpoint(Protocol):
    """Either side, opened and checked."""

    architecture: LlamaArchitecture
    weights: tuple[Weight, ...]

    def read(self, weight: Weight) -> "torch.Tensor":
        """Megatron's tensor `weight`, shape `weight.megatron_shape`."""


def compare(source: Checkpoint, written: Checkpoint, architecture: LlamaArchitecture, advance: Advance) -> None:
    """Check that `written` has `architecture` and every weight of `source`, in the dtype of `architecture`.

    NaN equals NaN, and 0 is not -0. Errors: `InputError` naming the first weight that differs.
    """
    import torch

    if written.architecture != architecture:
        raise InputError(f"the written configuration reads back as {written.architecture}", fix=_BROKEN)
    for weight in source.weights:
        expected = cast(source.read(weight), architecture.dtype, weight.megatron)
        found = written.read(weight)
        if found.dtype != expected.dtype or not torch.equal(_bytes(found), _bytes(expected)):
            raise InputError(f"{weight.megatron!r} reads back differently from what was written", fix=_BROKEN)
        advance(found.nbytes)


def cast(tensor: "torch.Tensor", dtype: str, name: str) -> "torch.Tensor":
    """`tensor` as `dtype`. Errors: `InputError` where a finite value would become infinite (float16 ends at 65504)."""
    import torch

    target = getattr(torch, dtype)
    if tensor.dtype == target:
        return tensor
    result = tensor.to(target)
    if not torch.equal(result.isfinite(), tensor.isfinite()):
        raise InputError(f"{name!r} has values too large for {dtype}", fix="Choose bfloat16 or float32.")
    return result


_BROKEN = "Nothing was kept. Check the disk and the memory of this machine, and convert again."


def _bytes(tensor: "torch.Tensor") -> "torch.Tensor":
    import torch

    return tensor.contiguous().view(torch.uint8)
