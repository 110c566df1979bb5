"""Attention of one position per row: its values, and that a row depends on nothing but itself."""

import pytest
import torch

from evaluation.generation.one_position import attend_one

SCALE = 0.3


def _inputs(rows: int, groups: int = 2, heads: int = 3, positions: int = 64, width: int = 24) -> list[torch.Tensor]:
    torch.manual_seed(rows)
    query, keys, values = (
        torch.randn(rows, groups, size, width) for size in (heads, positions, positions)
    )  # fmt: skip
    return [query, keys, values, torch.arange(rows) * 5 % positions]


@pytest.mark.parametrize("sizes", [{}, {"groups": 1, "heads": 1}, {"width": 64, "heads": 4}, {"width": 7}])
def test_values_are_those_of_fp64(sizes: dict[str, int]) -> None:
    query, keys, values, last = _inputs(9, **sizes)
    found = attend_one(query, keys, values, last, 64, SCALE)
    for row, end in enumerate((last + 1).tolist()):
        key, value = keys[row, :, :end].double(), values[row, :, :end].double()
        weights = torch.softmax(query[row].double() @ key.transpose(1, 2) * SCALE, dim=-1)
        torch.testing.assert_close(found[row], (weights @ value).float(), rtol=1e-5, atol=1e-6)


def test_what_lies_after_a_row_is_not_read() -> None:
    query, keys, values, last = _inputs(9)
    expected = attend_one(query, keys, values, last, 64, SCALE)
    for row, end in enumerate((last + 1).tolist()):
        keys[row, :, end:] = values[row, :, end:] = torch.nan
    assert torch.equal(attend_one(query, keys, values, last, 64, SCALE), expected)
    keys[0, 0, 0] = torch.nan
    found = attend_one(query, keys, values, last, 64, SCALE)
    assert found[0, 0].isnan().all()
    assert torch.equal(found[1:], expected[1:])


def test_a_row_has_the_same_bits_alone_and_with_any_number_of_threads() -> None:
    query, keys, values, last = _inputs(70)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 16):
            torch.set_num_threads(threads)
            found.append(attend_one(query, keys, values, last, 64, SCALE))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, found[0]) for one in found)
    for row in (0, 33, 69):
        alone = (part[row : row + 1] for part in (query, keys, values, last))
        assert torch.equal(attend_one(*alone, 64, SCALE)[0], found[0][row])
