"""Counts of the bases that follow each context of 0 to 11 bases: all that a Markov chain needs to be fitted.

The same positions as the model's are counted: from each record's second base on, where the base is A, C, G or T.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tokenizer.sequence import Ids, to_upper
from tokenizer.vocabulary import EOS

MAX_ORDER, LEAST_ORDER = 11, 6
CONTEXTS_PER_BASE = 64
"""An order with more contexts per training base finds what the one before it does: hardly any is seen twice."""
_BYTES = 26
"""Per entry of the longest table: the counts and the logarithms of all orders, and what is between."""
_SHARE = 4  # of the free memory a quarter

Counts = npt.NDArray[np.uint32]

_CHUNK = 1 << 20  # bases at a time: bounds the memory, and still fits the cache


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The longest `order` to fit, and why those up to 11 are `left_out`: a sentence, "" where none is."""

    order: int
    left_out: str


@dataclass(frozen=True, kw_only=True)
class KmerCounts:
    """`flat`: the tables of `exact`, end to end, of fewer than 2**32 bases. `bases` were read; `capped`: of more."""

    order: int
    flat: Counts
    bases: int
    capped: bool

    @property
    def targets(self) -> int:
        """Positions counted."""
        return int(self.flat.sum(dtype=np.int64))

    def exact(self, order: int) -> Counts:
        """Shape [4**order, 4]: targets by their context, over the positions with exactly so many known bases before.

        "Known" is an unbroken run of A, C, G and T in the same record; the longest order stands for longer ones too.
        """
        start, stop = offsets(order)[order : order + 2]
        return self.flat[start:stop].reshape(4**order, 4)

    def at_least(self) -> Iterator[Counts]:
        """From the longest order down: positions with as many known bases or more, by the last ones, [4**order, 4]."""
        total = self.exact(self.order)
        yield total
        for order in range(self.order - 1, -1, -1):
            total = self.exact(order) + total.reshape(4, 4**order, 4).sum(axis=0, dtype=np.uint32)
            yield total


def offsets(order: int) -> npt.NDArray[np.int64]:
    """Where the table of each order up to `order` begins, and where the last ends: [order + 2]."""
    return (4 ** np.arange(1, order + 3, dtype=np.int64) - 4) // 3


def reach(bases: int, memory: int) -> Reach:
    """The longest order worth fitting on so many `bases`, with tables in a quarter of `memory`, free bytes."""
    for order in range(MAX_ORDER, LEAST_ORDER, -1):
        if 4**order <= CONTEXTS_PER_BASE * bases and _bytes(order) <= memory / _SHARE:
            break
    else:
        order = LEAST_ORDER
    if order == MAX_ORDER:
        return Reach(order=order, left_out="")
    which = f"Order {MAX_ORDER} is" if order == MAX_ORDER - 1 else f"Orders {order + 1} to {MAX_ORDER} are"
    why = f"more than {CONTEXTS_PER_BASE} contexts for each training base tell nothing more"
    if 4 ** (order + 1) <= CONTEXTS_PER_BASE * bases:
        why = f"order {order + 1} needs {_bytes(order + 1) / 1e9:.1f} GB, and {memory / 1e9:.1f} GB are free"
    return Reach(order=order, left_out=f"{which} left out: {why}.")


def count_kmers(documents: Iterable[Ids], *, order: int = LEAST_ORDER, max_bases: int | None = None) -> KmerCounts:
    """Count `documents`, ids of shape [bases], the first `max_bases` of them where given. One strand, as given."""
    from evaluation.baselines.counting import count

    places = offsets(order)
    flat = np.zeros(places[-1], dtype=np.uint32)
    state = np.array([0, 0, 1])
    bases, capped = 0, False
    for chunk in _chunks(documents):
        length = int((chunk != EOS.id).sum())
        if max_bases is not None and bases + length > max_bases:
            chunk, length, capped = _first_bases(chunk, max_bases - bases), max_bases - bases, True
        bases += length
        count(base_codes(chunk), order, places, flat, state)
        if capped:
            break
    return KmerCounts(order=order, flat=flat, bases=bases, capped=capped)


def base_codes(ids: Ids) -> npt.NDArray[np.uint8]:
    """0 to 3 for A, C, G and T of either case, 4 for another letter, 5 for EOS."""
    return _CODES[to_upper(ids)]


def _bytes(order: int) -> int:
    return int(_BYTES * 4 ** (order + 1))


def _chunks(documents: Iterable[Ids]) -> Iterator[Ids]:
    """The documents, each after an EOS as its mark, as arrays of about a million bases."""
    mark = np.array([EOS.id], dtype=np.uint8)
    parts, size = list[Ids](), 0
    for ids in documents:
        parts.append(mark)
        for first in range(0, len(ids), _CHUNK):
            part = ids[first : first + _CHUNK]
            parts.append(part)
            size += len(part)
            if size >= _CHUNK:
                yield np.concatenate(parts)
                parts, size = [], 0
    if parts:
        yield np.concatenate(parts)


def _first_bases(chunk: Ids, bases: int) -> Ids:
    return chunk[: int(np.searchsorted(np.cumsum(chunk != EOS.id), bases, side="right"))]


_CODES = np.full(256, 4, dtype=np.uint8)
_CODES[list(b"ACGT")] = range(4)
_CODES[EOS.id] = 5
