"""Which sample is served at which index: functions of the index alone, so that a resume needs no state."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from corpus.samples.permutation import Permutation


class Place(NamedTuple):
    """One sample of one pass over one of the sources."""

    source: int
    epoch: int
    sample: int


class Order(Protocol):
    """Where the sample of an index is to be found; None for a blank one, which is all padding."""

    def __call__(self, index: int, /) -> Place | None: ...


@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """Epoch after epoch of all `samples`, each once, shuffled again in each. For training: it has no end."""

    samples: int
    seed: int
    source: int = 0

    def __call__(self, index: int, /) -> Place:
        epoch, position = divmod(index, self.samples)
        return Place(self.source, epoch, _permutation(self.samples, self.seed + self.source, epoch)(position))


@dataclass(frozen=True, kw_only=True)
class EvenlySpaced:
    """`count` of the `samples`, evenly spaced from the first on, in order; all of them where there are fewer.

    For validation: the same samples each time. Indices beyond them are blank, to fill up a global batch.
    """

    samples: int
    count: int
    source: int = 0

    def __call__(self, index: int, /) -> Place | None:
        count = min(self.count, self.samples)
        return Place(self.source, 0, index * self.samples // count) if index < count else None


@dataclass(frozen=True, kw_only=True)
class Consecutive:
    """All that the first order serves, then all that the second does, and so on."""

    orders: Sequence[EvenlySpaced]

    def __call__(self, index: int, /) -> Place | None:
        for order in self.orders:
            count = min(order.count, order.samples)
            if index < count:
                return order(index)
            index -= count
        return None


@lru_cache(maxsize=64)
def _permutation(samples: int, seed: int, epoch: int) -> Permutation:
    return Permutation(samples, seed=seed, epoch=epoch)
