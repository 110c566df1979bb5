"""Rotary embeddings. Source: csrc/extensions/apply_rope.cpp, common/fused_rope/fused_rope.cu."""

import torch

from benchmarks.emulated_gpu.kernels.names import NVTE_QKV_Format
from benchmarks.emulated_gpu.kernels.registry import check, kernel


@kernel
def fused_rope_forward(
    input: torch.Tensor,
    freqs: torch.Tensor,
    start_positions: torch.Tensor | None,
    qkv_format: int,
    interleaved: bool,
    cu_seqlens: torch.Tensor | None,
    cp_size: int,
    cp_rank: int,
    /,
) -> torch.Tensor:
    """`input` turned by the angles of its positions: [s, b, h, d], [b, s, h, d], or [t, h, d] with `cu_seqlens`."""
    if start_positions is not None:
        raise NotImplementedError("RoPE with start positions is not emulated")
    angles = _angles(input, freqs, qkv_format, interleaved, cu_seqlens, cp_size, cp_rank)
    return _turned(input, angles.cos(), angles.sin())


@kernel
def fused_rope_backward(
    output_grads: torch.Tensor,
    freqs: torch.Tensor,
    qkv_format: int,
    interleaved: bool,
    cu_seqlens: torch.Tensor | None,
    cp_size: int,
    cp_rank: int,
    /,
) -> torch.Tensor:
    """The gradient, turned back."""
    angles = _angles(output_grads, freqs, qkv_format, interleaved, cu_seqlens, cp_size, cp_rank)
    return _turned(output_grads, angles.cos(), -angles.sin())


def _angles(
    tensor: torch.Tensor,
    freqs: torch.Tensor,
    qkv_format: int,
    interleaved: bool,
    cu_seqlens: torch.Tensor | None,
    cp_size: int,
    cp_rank: int,
) -> torch.Tensor:
    """The angles of each token, in a shape that broadcasts over `tensor`."""
    check(freqs.dim() == 4 and freqs.shape[1:3] == (1, 1), "expected freqs of [s, 1, 1, d]")
    check(freqs.dtype == torch.float32, "Dtype of the freqs tensor must be float")
    thd = int(qkv_format) == NVTE_QKV_Format.NVTE_THD
    if interleaved or (cp_size != 1 and not thd):
        raise NotImplementedError("interleaved RoPE, and RoPE over ranks of what is not packed, are not emulated")
    angles = freqs[:, 0, 0]
    if thd:
        check(
            tensor.dim() == 3 and cu_seqlens is not None and cu_seqlens.dim() == 1, "expected 3D tensor, 1D cu_seqlens"
        )
        lengths = cu_seqlens.diff().tolist()
        check(max(lengths) <= len(angles), "a sequence is longer than the freqs tensor")
        return torch.cat([_of_rank(angles[:length], cp_size, cp_rank) for length in lengths])[:, None]
    check(tensor.dim() == 4, "expected 4D tensor")
    first = int(qkv_format) == NVTE_QKV_Format.NVTE_SBHD
    length = tensor.shape[0 if first else 1]
    check(length <= len(angles), "expected freqs tensor has a longer sequence length than input")
    return angles[:length][:, None, None] if first else angles[None, :length, None]


def _of_rank(angles: torch.Tensor, size: int, rank: int) -> torch.Tensor:
    """Those of the two of 2 * `size` chunks of a sequence that a context-parallel rank has."""
    if size == 1:
        return angles
    chunks = angles.chunk(2 * size)
    return torch.cat([chunks[rank], chunks[-1 - rank]])


def _turned(tensor: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    width = cosine.shape[-1]
    wide = tensor[..., :width].float()
    first, second = wide.chunk(2, -1)
    turned = wide * cosine + torch.cat((-second, first), -1) * sine
    return torch.cat((turned.to(tensor.dtype), tensor[..., width:]), -1)
