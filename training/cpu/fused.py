"""What a GPU has fused kernels for, as CPU operations that touch memory as seldom as they can.

The first two read the output of one matrix product in parts, and write the gradients of the parts into one buffer.
Taking views of it instead makes autograd copy each part, and join them again.
"""

from typing import Any

import torch

UNFUSED: dict[str, Any] = {
    "use_cpu_initialization": True,
    "apply_rope_fusion": False,
    "gradient_accumulation_fusion": False,
    "masked_softmax_fusion": False,
    "persist_layer_norm": False,
    "bias_activation_fusion": False,
    "bias_dropout_fusion": False,
}
"""Fields of Megatron-Core's configuration of a model on a CPU: its fused kernels are CUDA kernels."""


def split_rotated(
    mixed: torch.Tensor, frequencies: torch.Tensor, head_dim: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query and key, rotated by RoPE, and value out of [sequence, batch, groups, (heads of a group + 2) * head_dim].

    A group is [q q q q k v]. Query is [sequence, batch, heads, head_dim], key and value have a head a group.
    `frequencies` [sequence, 1, 1, head_dim] are Megatron-Core's: angles in radians, each twice.
    """
    angles = frequencies[..., : head_dim // 2].unsqueeze(-1).transpose(-1, -2)
    heads = mixed.view(*mixed.shape[:-1], -1, head_dim)
    parts = _SplitRotated.apply(heads, angles.cos().to(mixed.dtype), angles.sin().to(mixed.dtype))  # type: ignore[no-untyped-call]
    query, key, value = (part.flatten(2, 3) for part in parts)
    return query, key, value


def swiglu(gate_and_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) * up of [..., 2 * width], gate first (Shazeer 2020)."""
    result: torch.Tensor = _SwiGlu.apply(gate_and_up)  # type: ignore[no-untyped-call]
    return result


def rms_norm(hidden: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Root-mean-square norm over the last dimension (Zhang and Sennrich 2019)."""
    if hidden.dtype not in (torch.float32, torch.float64):  # PyTorch's own computes those in fp32
        plain: torch.Tensor = torch.nn.functional.rms_norm(hidden, weight.shape, weight, eps)
        return plain
    result: torch.Tensor = _RmsNorm.apply(hidden, weight, eps)  # type: ignore[no-untyped-call]
    return result


class _SplitRotated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, mixed: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.save_for_backward(cosine, sine)
        query, key, value = mixed[..., :-2, :], mixed[..., -2:-1, :], mixed[..., -1:, :]
        rotated = [torch.empty(part.shape, dtype=part.dtype) for part in (query, key)]
        for part, out in zip((query, key), rotated, strict=True):
            _rotate(part, cosine, sine, out)
        return *rotated, value.contiguous()

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        query, key, value = grads
        *shape, heads, width = query.shape
        mixed = torch.empty(*shape, heads + 2, width, dtype=query.dtype)
        _rotate(query, cosine, -sine, mixed[..., :-2, :])  # a rotation's gradient is turned back
        _rotate(key, cosine, -sine, mixed[..., -2:-1, :])
        mixed[..., -1:, :] = value
        return mixed, None, None


def _rotate(part: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, out: torch.Tensor) -> None:
    """Rotate the pairs (x_i, x_{i + head_dim / 2}), into `out`."""
    (first, second), (low, high) = part.chunk(2, dim=-1), out.chunk(2, dim=-1)
    torch.mul(first, cosine, out=low).addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=high).addcmul_(first, sine)


class _SwiGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(both)
        gate, up = both.chunk(2, dim=-1)
        return torch.nn.functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (both,) = ctx.saved_tensors
        gate, up = both.chunk(2, dim=-1)
        result = torch.empty_like(both)
        to_gate, to_up = result.chunk(2, dim=-1)
        torch.mul(torch.nn.functional.silu(gate), grad, out=to_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=to_gate)
        return result


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        norm = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
        scale = norm.square_().div_(hidden.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(hidden, weight, scale)
        normed: torch.Tensor = (hidden * scale).mul_(weight)
        return normed

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        hidden, weight, scale = ctx.saved_tensors
        product = (grad * hidden).flatten(0, -2)
        along = (product @ weight).view_as(scale)  # the gradient of the scale
        turn = along.mul_(scale.pow(3)).div_(-hidden.shape[-1])
        return (grad * weight).mul_(scale).addcmul_(hidden, turn), scale.flatten() @ product, None
