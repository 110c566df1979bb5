"""The CPU's fused operations against the plain ones, values and gradients."""

import pytest
import torch

from training.cpu.fused import rms_norm, split_rotated, swiglu

HEADS, GROUPS, WIDTH, LENGTH = 3, 2, 8, 10


def plain_split(mixed: torch.Tensor, frequencies: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As Megatron-Core does it: `get_query_key_value_tensors`, `_apply_rotary_pos_emb_bshd`."""
    query, key, value = mixed.split([HEADS * WIDTH, WIDTH, WIDTH], dim=3)
    query = query.reshape(*query.shape[:2], -1, WIDTH)

    def turned(part: torch.Tensor) -> torch.Tensor:
        low, high = part.chunk(2, dim=-1)
        return part * frequencies.cos() + torch.cat((-high, low), dim=-1) * frequencies.sin()

    return turned(query), turned(key), value


def test_split_and_rotation() -> None:
    torch.manual_seed(0)
    mixed = torch.randn(LENGTH, 2, GROUPS, (HEADS + 2) * WIDTH, dtype=torch.float64, requires_grad=True)
    angles = torch.arange(LENGTH).double()[:, None] * torch.rand(WIDTH // 2).double()
    frequencies = torch.cat((angles, angles), dim=-1)[:, None, None]
    found, expected = split_rotated(mixed, frequencies, WIDTH), plain_split(mixed, frequencies)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-14)
    assert torch.autograd.gradcheck(lambda tensor: split_rotated(tensor, frequencies, WIDTH), mixed)


@pytest.mark.parametrize("shape", [(3, 8), (2, 5, 6)])
def test_swiglu(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    both = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    gate, up = both.chunk(2, dim=-1)
    torch.testing.assert_close(swiglu(both), torch.nn.functional.silu(gate) * up, rtol=0, atol=1e-14)
    assert torch.autograd.gradcheck(swiglu, both)


@pytest.mark.parametrize("shape", [(3, 8), (2, 5, 6)])
def test_rms_norm(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(shape[-1], dtype=torch.float64, requires_grad=True)
    expected = torch.nn.functional.rms_norm(hidden, weight.shape, weight, 1e-5)
    torch.testing.assert_close(rms_norm(hidden, weight, 1e-5), expected, rtol=0, atol=1e-14)
    assert torch.autograd.gradcheck(lambda one, other: rms_norm(one, other, 1e-5), (hidden, weight))
    narrow = [tensor.detach().bfloat16() for tensor in (hidden, weight)]
    assert torch.equal(rms_norm(*narrow, 1e-5), torch.nn.functional.rms_norm(narrow[0], weight.shape, narrow[1], 1e-5))
