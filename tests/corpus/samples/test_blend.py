"""Blends: exact shares, each source consumed like one alone, all by arithmetic."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused

from corpus.samples.blend import BLOCK, Blend, apportion, exact_shares
from corpus.samples.order import Shuffled

WEIGHTS = (0.18, 0.24, 0.03, 0.02, 0.09, 0.09, 0.35, 0.0003, 0.005)
SAMPLES = (5000, 300, 11, 7, 9000, 40, 123, 3, 1)


def blend(weights: tuple[float, ...] = WEIGHTS, samples: tuple[int, ...] = SAMPLES, seed: int = 5) -> Blend:
    orders = tuple(Shuffled(samples=size, seed=seed, source=number) for number, size in enumerate(samples))
    return Blend(weights=weights, orders=orders, seed=seed)


def test_shares_are_exact_in_the_long_run_and_each_source_goes_epoch_by_epoch() -> None:
    mixed = blend()
    places = [mixed(index) for index in range(2 * BLOCK)]
    counts = Counter(place.source for place in places)
    shares = exact_shares(WEIGHTS)
    assert sum(shares) == 1
    assert all(abs(counts[source] - share * 2 * BLOCK) < 1 for source, share in enumerate(shares))
    for source, size in enumerate(SAMPLES):
        served = Counter((place.epoch, place.sample) for place in places if place.source == source)
        epochs, rest = divmod(counts[source], size)
        assert set(served.values()) == {1}
        whole = {(epoch, sample) for epoch in range(epochs) for sample in range(size)}
        assert whole <= served.keys()
        assert {epoch for epoch, _ in served.keys() - whole} <= {epochs}
        assert len(served.keys() - whole) == rest


def test_sources_are_scattered() -> None:
    mixed = blend(weights=(1, 1), samples=(10**9, 10**9))
    sources = [mixed(index).source for index in range(20_000)]
    assert abs(sum(sources) - 10_000) < 400
    assert abs(sum(a == b for a, b in pairwise(sources)) - 10_000) < 400


def test_an_index_far_out() -> None:
    place = blend()(10**15 + 17)
    assert 0 <= place.sample < SAMPLES[place.source]
    assert place == blend()(10**15 + 17)
    assert [blend(seed=6)(index) for index in range(50)] != [blend()(index) for index in range(50)]


@settings(max_examples=200)
@given(weights=st.lists(st.integers(1, 1000), min_size=1, max_size=9), block=st.integers(0, 10**9))
def test_no_share_ever_shrinks(weights: list[int], block: int) -> None:
    shares = exact_shares([float(weight) for weight in weights])
    before, after = (apportion(number * BLOCK, shares) for number in (block, block + 1))
    assert sum(before) == block * BLOCK
    assert all(abs(count - share * block * BLOCK) < 1 for count, share in zip(before, shares, strict=True))
    assert all(start <= end for start, end in zip(before, after, strict=True))


def test_largest_remainders() -> None:
    assert apportion(10, exact_shares([1, 1, 1])) == (4, 3, 3)
    assert apportion(7, (Fraction(1, 2), Fraction(1, 3), Fraction(1, 6))) == (4, 2, 1)


def test_weights_that_cannot_be() -> None:
    with refused("source-weight", where="dataset.corpus"):
        blend(weights=(0, 1), samples=(1, 1))
    with refused("share-too-small", where="dataset.corpus", fix="1/65536", names="1e-06"):
        blend(weights=(1, 10**6), samples=(1, 1))
