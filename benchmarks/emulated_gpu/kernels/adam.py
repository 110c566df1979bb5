"""Adam over lists of tensors. Source: common/multi_tensor/adam.cu."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from benchmarks.emulated_gpu.kernels.fp8 import cast, largest
from benchmarks.emulated_gpu.kernels.registry import check, kernel

Lists = Sequence[Sequence[torch.Tensor]]


@kernel
def multi_tensor_adam(
    chunk_size: int,
    noop_flag: torch.Tensor,
    tensor_lists: Lists,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
    mode: int,
    bias_correction: int,
    weight_decay: float,
    /,
) -> None:
    """Gradients, weights and two moments; with a fifth list of fp32 masters the weights are copies of them."""
    values = (lr, beta1, beta2, epsilon, step, mode, bias_correction, weight_decay)
    for gradient, weight, first, second, *masters in _groups(tensor_lists, 4 if len(tensor_lists) == 4 else 5):
        check(all(master.dtype == torch.float32 for master in masters), "master weights must be fp32")
        source = masters[0] if masters else weight
        new = adam(gradient, source.float(), first, second, *values)
        for place in (*masters, weight):
            place.copy_(new)


@kernel
def multi_tensor_adam_param_remainder(
    chunk_size: int,
    noop_flag: torch.Tensor,
    tensor_lists: Lists,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
    mode: int,
    bias_correction: int,
    weight_decay: float,
    /,
) -> None:
    """The same, with the fp32 master as its bf16 weight, rounded to nearest, and the 16 bits that it lacks."""
    values = (lr, beta1, beta2, epsilon, step, mode, bias_correction, weight_decay)
    for gradient, weight, first, second, rest in _groups(tensor_lists, 5):
        check(weight.dtype == torch.bfloat16 and rest.dtype == torch.int16, "bf16 weights with int16 remainders")
        check(first.dtype == second.dtype == torch.float32, "moments must be fp32")
        new = adam(gradient, joined(weight, rest), first, second, *values)
        for place, part in zip((weight, rest), parted(new), strict=True):
            place.copy_(part)


@kernel
def multi_tensor_adam_fp8(
    chunk_size: int,
    noop_flag: torch.Tensor,
    tensor_lists: Lists,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
    mode: int,
    bias_correction: int,
    weight_decay: float,
    fp8_dtype: Any,
    /,
) -> None:
    """The same for FP8 weights: their bytes alone, no transposed copy, with the scale of before; amax is raised."""
    values = (lr, beta1, beta2, epsilon, step, mode, bias_correction, weight_decay)
    check(len(tensor_lists) == 8, "expected 8 lists")
    for gradient, data, first, second, master, scale, amax, scale_inv in zip(*tensor_lists, strict=True):
        check(data.dtype == torch.uint8, "FP8 weights are given as bytes")
        master.copy_(adam(gradient, master, first, second, *values))
        amax.copy_(torch.maximum(amax, largest(master).view_as(amax)))
        data.copy_(cast(master, scale, fp8_dtype).view_as(data))
        scale_inv.copy_(1 / scale)


def adam(
    gradient: torch.Tensor,
    weight: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
    mode: int,
    bias_correction: int,
    decay: float,
) -> torch.Tensor:
    """The new weight, fp32; the moments change in place."""
    if mode != 1:
        raise NotImplementedError("Adam with L2 regularization is not emulated")
    wide = gradient.float()
    mean = beta1 * first.float() + (1 - beta1) * wide
    square = beta2 * second.float() + (1 - beta2) * wide * wide
    first.copy_(mean)
    second.copy_(square)
    low, high = (1 - beta1**step, 1 - beta2**step) if bias_correction else (1.0, 1.0)
    return weight - lr * (mean / low / ((square / high).sqrt() + epsilon) + decay * weight)


def joined(weight: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """The fp32 value of a bf16 weight and its remainder; a negative remainder means that it was rounded up."""
    low = rest.int()
    high = weight.view(torch.int16).int() - (low < 0).int()
    return ((high << 16) | (low & 0xFFFF)).view(torch.float32)


def parted(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The bf16 weight and the remainder of an fp32 value."""
    bits = value.contiguous().view(torch.int32)
    rest = (bits & 0xFFFF).to(torch.int16)
    high = (bits >> 16) + (rest < 0).int()
    return high.to(torch.int16).view(torch.bfloat16), rest


def _groups(tensor_lists: Lists, number: int) -> Iterator[tuple[torch.Tensor, ...]]:
    check(len(tensor_lists) == number, f"expected {number} lists of tensors, not {len(tensor_lists)}")
    for group in zip(*tensor_lists, strict=True):
        check(len({tensor.numel() for tensor in group}) == 1, f"sizes differ: {[tuple(one.shape) for one in group]}")
        check(all(tensor.is_contiguous() for tensor in group), "a tensor is not contiguous")
        yield group
