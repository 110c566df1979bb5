"""Several sources in given shares: which source an index belongs to, by arithmetic, in constant memory.

Indices come in blocks. Of the first t blocks each source has its share of t * BLOCK, rounded by the method of largest
remainders, so that it is never a whole sample off; within a block a keyed permutation says who is where. A source's
own samples are numbered through, so each is consumed epoch after epoch exactly as if it were alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

from corpus.samples.order import Place, Shuffled
from corpus.samples.permutation import Permutation
from foundation.errors import InputError

BLOCK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Blend:
    """Source k in the share `weights[k]` of the sum of all; a weight must be above 1 / BLOCK of that sum."""

    weights: tuple[float, ...]
    orders: tuple[Shuffled, ...]
    seed: int

    def __post_init__(self) -> None:
        shares = exact_shares(self.weights)
        if min(shares) * BLOCK < 1:
            problem = f"a source has the share {float(min(shares)):.2g}"
            raise InputError(
                problem,
                where="dataset.corpus",
                fix=f"Give each at least 1/{BLOCK}, or leave it out.",
                kind="share-too-small",
            )

    def __call__(self, index: int, /) -> Place:
        block, position = divmod(index, BLOCK)
        firsts, ends = _block(self.weights, block)
        place = _scatter(self.seed, block)(position)
        source = next(number for number, end in enumerate(ends) if place < end)
        return self.orders[source](firsts[source] + place - (ends[source - 1] if source else 0))


def exact_shares(weights: Sequence[float]) -> tuple[Fraction, ...]:
    """`weights` as decimal fractions of their sum. Errors: `InputError` for one that is not above 0."""
    for weight in weights:
        if not 0 < weight < float("inf"):
            raise InputError(
                f"has the weight {weight}",
                where="dataset.corpus",
                fix="Give each source a weight above 0.",
                kind="source-weight",
            )
    fractions = [Fraction(str(weight)) for weight in weights]
    return tuple(fraction / sum(fractions) for fraction in fractions)


def apportion(total: int, shares: Sequence[Fraction]) -> tuple[int, ...]:
    """Whole numbers that sum to `total`, each within 1 of its share: largest remainders first (Hamilton's method)."""
    exact = [share * total for share in shares]
    whole = [int(quota) for quota in exact]
    by_remainder = sorted(range(len(exact)), key=lambda number: (whole[number] - exact[number], number))
    for number in by_remainder[: total - sum(whole)]:
        whole[number] += 1
    return tuple(whole)


@lru_cache(maxsize=8)
def _block(weights: tuple[float, ...], block: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What each source has served before a block, and where its part of the block's scattered places ends."""
    shares = exact_shares(weights)
    before, after = apportion(block * BLOCK, shares), apportion((block + 1) * BLOCK, shares)
    return before, tuple(accumulate(end - start for start, end in zip(before, after, strict=True)))


@lru_cache(maxsize=8)
def _scatter(seed: int, block: int) -> Permutation:
    return Permutation(BLOCK, seed=-1 - seed, epoch=block)  # a key that no source's own shuffle has
