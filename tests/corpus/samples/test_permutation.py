"""The computed shuffle: a bijection for every size, the same one by one and at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.samples.permutation import Permutation


def test_bijection() -> None:
    """Of every small size, around powers of two, and of large ones that are none."""
    for size in (*range(1, 130), 255, 256, 257, 1000, 4095, 4097, 65_537, 300_007):
        values = Permutation(size, seed=size, epoch=3).many(np.arange(size))
        assert np.array_equal(np.sort(values), np.arange(size)), size


@given(size=st.integers(1, 2**61), seed=st.integers(0, 2**64), epoch=st.integers(0, 2**20), data=st.data())
def test_scalar_equals_array(size: int, seed: int, epoch: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    permutation = Permutation(size, seed=seed, epoch=epoch)
    assert permutation(index) == permutation.many([[index]])[0, 0]
    assert 0 <= permutation(index) < size


def test_seed_and_epoch_decide() -> None:
    orders = {
        (seed, epoch): tuple(Permutation(1000, seed=seed, epoch=epoch).many(np.arange(1000)).tolist())
        for seed in range(4)
        for epoch in range(4)
    }
    assert len(set(orders.values())) == 16
    assert orders[0, 0] == tuple(Permutation(1000, seed=0, epoch=0)(index) for index in range(1000))


def test_every_place_is_as_likely() -> None:
    size, draws = 7, 3000
    counts = np.zeros((size, size))
    for seed in range(draws):
        counts[np.arange(size), Permutation(size, seed=seed).many(np.arange(size))] += 1
    assert (np.abs(counts - draws / size) < 5 * np.sqrt(draws / size)).all()


def test_neighbours_part() -> None:
    steps = np.diff(Permutation(100_000, seed=0).many(np.arange(100_000)))
    assert abs(np.abs(steps).mean() / 33_333 - 1) < 0.02  # the mean distance of two random places is a third


@pytest.mark.parametrize("index", [-1, 10])
def test_outside(index: int) -> None:
    with pytest.raises(IndexError):
        Permutation(10, seed=0)(index)
    with pytest.raises(IndexError):
        Permutation(10, seed=0).many([index])
    with pytest.raises(ValueError, match="size"):
        Permutation(0, seed=0)
