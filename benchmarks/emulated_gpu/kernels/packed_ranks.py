"""Packed attention (THD) over context-parallel ranks: halves of sequences, and corrections of partial results.

Each rank has two equal parts of every sequence; results of the second part alone are merged into those of both.
Source: csrc/extensions/attention.cpp, common/fused_attn/context_parallel.cu. `cu_seqlens` is of this rank's tokens.
"""

from itertools import pairwise

import torch

from benchmarks.emulated_gpu.kernels.registry import check, kernel


@kernel
def thd_read_half_tensor(tensor: torch.Tensor, cu_seqlens: torch.Tensor, half_idx: int, /) -> torch.Tensor:
    """The first or second half of each sequence, [tokens / 2, ...]."""
    return tensor[_half(cu_seqlens, half_idx)]


@kernel
def thd_second_half_lse_correction(
    lse: torch.Tensor, lse_per_step: torch.Tensor, cu_seqlens: torch.Tensor, lse_packed: bool, /
) -> None:
    """log(exp + exp) of the second halves, in place. [heads, tokens]."""
    _check_packed(lse_packed)
    places = _half(cu_seqlens, 1)
    lse[:, places] = torch.logaddexp(lse[:, places], lse_per_step)


@kernel
def thd_read_second_half_lse(
    lse: torch.Tensor, cu_seqlens: torch.Tensor, lse_packed: bool, second_half_lse_seqlen: int, /
) -> torch.Tensor:
    """Those of the second halves, [heads, tokens / 2]."""
    _check_packed(lse_packed)
    half = lse[:, _half(cu_seqlens, 1)].contiguous()
    check(half.shape[1] == second_half_lse_seqlen, f"second halves have {half.shape[1]}, not {second_half_lse_seqlen}")
    return half


@kernel
def thd_out_correction(
    out: torch.Tensor,
    out_per_step: torch.Tensor,
    lse: torch.Tensor,
    lse_per_step: torch.Tensor,
    cu_seqlens: torch.Tensor,
    only_second_half: bool,
    lse_packed: bool,
    /,
) -> None:
    """Add a step's output, scaled by exp(its log-sum-exp - that of all steps). [tokens, heads, d]."""
    _check_packed(lse_packed)
    places = _half(cu_seqlens, 1) if only_second_half else torch.arange(len(out), device=out.device)
    scale = (lse_per_step - lse[:, places]).exp().t()[..., None]
    out[places] = (out[places].float() + out_per_step.float() * scale).to(out.dtype)


@kernel
def thd_grad_correction(
    grad: torch.Tensor, grad_per_step: torch.Tensor, cu_seqlens: torch.Tensor, first_half: str, second_half: str, /
) -> None:
    """Add a step's gradient to each half, copy it there, or leave the half alone."""
    actions = (first_half, second_half)
    check(set(actions) <= {"add", "copy", "none"}, f"Unsupported Functor of first half and second_half: {actions}")
    whole = "none" not in actions
    for half, action in enumerate(actions):
        places = _half(cu_seqlens, half)
        if action == "none":
            continue
        step = grad_per_step[places] if whole else grad_per_step
        grad[places] = grad[places] + step if action == "add" else step


def _half(cu_seqlens: torch.Tensor, half: int) -> torch.Tensor:
    middles = [(start, start + (end - start) // 2, end) for start, end in pairwise(cu_seqlens.tolist())]
    return torch.cat([torch.arange(*each[half : half + 2], device=cu_seqlens.device) for each in middles])


def _check_packed(lse_packed: bool) -> None:
    if not lse_packed:
        raise NotImplementedError("log-sum-exp in batches is not emulated; cuDNN 9.6 and later pack it")
