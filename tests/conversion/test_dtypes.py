"""Casts of raw numbers against torch, for every 16-bit pattern, and for 32-bit ones as hypothesis finds them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusal import refused

from conversion.files.dtypes import WEIGHTS, cast, raw, to_float32

PATTERNS = np.arange(1 << 16, dtype="<u2")


def as_torch(array: np.ndarray, dtype: str) -> torch.Tensor:
    return torch.from_numpy(array.view(f"i{array.itemsize}").copy()).view(getattr(torch, dtype))


def equal(ours: np.ndarray, theirs: torch.Tensor, dtype: str) -> bool:
    """The same bits; NaN of any payload are alike."""
    found = as_torch(ours, dtype)
    return torch.equal(found.isnan(), theirs.isnan()) and torch.equal(
        found[~found.isnan()].view(torch.uint8), theirs[~theirs.isnan()].view(torch.uint8)
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_every_16_bit_number_becomes_the_same_float32(dtype: str) -> None:
    assert equal(to_float32(PATTERNS, dtype).view("<u4"), as_torch(PATTERNS, dtype).float(), "float32")


@given(st.lists(st.integers(0, (1 << 32) - 1), min_size=1, max_size=100))
def test_float32_is_rounded_as_torch_does(numbers: list[int]) -> None:
    array = np.array(numbers, "<u4")
    for dtype in ("bfloat16", "float16"):
        expected = as_torch(array, "float32").to(getattr(torch, dtype))
        if torch.equal(expected.isfinite(), as_torch(array, "float32").isfinite()):
            assert equal(cast(array, "float32", dtype, "x"), expected, dtype)
        else:
            with refused("dtype-overflow", names=dtype):
                cast(array, "float32", dtype, "x")


@pytest.mark.parametrize("source", WEIGHTS)
@pytest.mark.parametrize("target", WEIGHTS)
def test_every_pair_on_ordinary_weights_in_any_shape(source: str, target: str) -> None:
    weights = torch.randn(3, 700_001, generator=torch.Generator().manual_seed(1)).to(getattr(torch, source))
    integers = {4: torch.int32, 2: torch.int16}[weights.element_size()]
    array = weights.view(integers).numpy().view(raw(source))
    result = cast(array, source, target, "x")
    assert result.shape == array.shape
    assert equal(result, weights.to(getattr(torch, target)), target)
    assert (result is array) is (source == target)
