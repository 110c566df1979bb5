"""RMSNorm. Source: csrc/extensions/normalization.cpp, common/normalization/rmsnorm."""

from typing import Any

import torch

from benchmarks.emulated_gpu.kernels.fp8 import quantize
from benchmarks.emulated_gpu.kernels.names import TORCH
from benchmarks.emulated_gpu.kernels.registry import check, kernel


@kernel
def rmsnorm_fwd(
    input: torch.Tensor,
    weight: torch.Tensor,
    eps: float,
    ln_out: Any,
    quantizer: Any,
    otype: Any,
    sm_margin: int,
    zero_centered_gamma: bool,
) -> list[Any]:
    """[normalized, None, 1 / root mean square of each row]."""
    shapes = tuple(input.shape), tuple(weight.shape)
    check(len(shapes[1]) == 1 and shapes[0][-1] == shapes[1][0], f"RMSNorm of {shapes[0]} by {shapes[1]}")
    wide = input.float()
    inverse = torch.rsqrt(wide.square().mean(-1) + eps)
    normed = (wide * inverse.unsqueeze(-1) * _gain(weight, zero_centered_gamma)).to(TORCH[int(otype)])
    if quantizer is not None:
        normed = quantize(normed, quantizer, ln_out)
    elif ln_out is not None:
        normed = ln_out.copy_(normed)
    return [normed, None, inverse.flatten()]


@kernel
def rmsnorm_bwd(
    dz: torch.Tensor,
    x: torch.Tensor,
    rsigma: torch.Tensor,
    gamma: torch.Tensor,
    sm_margin: int,
    zero_centered_gamma: bool,
    /,
) -> list[torch.Tensor]:
    """[gradient of x, gradient of gamma]."""
    inverse, grad = rsigma.view(*x.shape[:-1], 1), dz.reshape(x.shape).float()
    normed, weighted = x.float() * inverse, grad * _gain(gamma, zero_centered_gamma)
    dx = (weighted - normed * (weighted * normed).mean(-1, keepdim=True)) * inverse
    dgamma = (grad * normed).reshape(-1, x.shape[-1]).sum(0)
    return [dx.to(x.dtype), dgamma.to(gamma.dtype)]


def _gain(weight: torch.Tensor, zero_centered: bool) -> torch.Tensor:
    return weight.float() + 1 if zero_centered else weight.float()
