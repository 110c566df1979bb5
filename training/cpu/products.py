"""Matrix products in fp32 by oneDNN, which torch leaves to MKL.

MKL does without AVX-512 on processors of AMD; there oneDNN is about twice as fast (`evaluation.likelihood.products`).
"""

from typing import Any

import torch

from evaluation.likelihood.products import can_be_packed

_WORTH = 1 << 20
"""Multiplications below which the copies cost more than the product gains."""


def matmul(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """`torch.matmul`: [..., K] by [K, N], outside autograd, by oneDNN; anything else as before."""
    if not _by_onednn(left, right):
        return torch.matmul(left, right)
    multiply: Any = torch.ops.mkldnn._linear_pointwise
    product: torch.Tensor = multiply(left.flatten(0, -2), right.t(), None, "none", [], "")
    # As `torch.matmul` does: what an autograd function returns must not be a view.
    return product if left.dim() == 2 else torch.ops.aten._unsafe_view(product, [*left.shape[:-1], right.shape[1]])


def _by_onednn(left: torch.Tensor, right: torch.Tensor) -> bool:
    plain = type(left) in _PLAIN and type(right) in _PLAIN
    return (
        plain
        and right.dim() == 2
        and left.dim() >= 2
        and left.dtype == torch.float32
        and can_be_packed(right)
        and not torch.is_grad_enabled()
        and left.numel() * right.shape[1] >= _WORTH
    )


_PLAIN = (torch.Tensor, torch.nn.Parameter)
