"""Counts of the bases that follow each context of 0 to 6 bases: all that a Markov chain needs to be fitted or scored.

The same positions as the model's are counted: from each record's second base on, where the base is A, C, G or T.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tokenizer.sequence import Ids, to_upper
from tokenizer.vocabulary import EOS

MAX_ORDER = 6

Counts = npt.NDArray[np.int64]

_CHUNK = 1 << 20  # bases at a time: bounds the memory, and still fits the cache
_OTHER, _START = 4, 5  # codes of a base that is not A, C, G or T, and of the mark before a record

_CODES = np.full(256, _OTHER, dtype=np.uint8)
_CODES[list(b"ACGT")] = range(4)
_CODES[EOS.id] = _START


@dataclass(frozen=True, kw_only=True)
class KmerCounts:
    """`exact[j]`, shape [4**j, 4]: targets by their context, over the positions with exactly j known bases before them.

    "Known" is an unbroken run of A, C, G and T in the same record, and 6 stands for 6 or more. `bases` were read;
    `capped` says that there were more.
    """

    exact: tuple[Counts, ...]
    bases: int
    capped: bool

    @property
    def targets(self) -> int:
        """Positions counted."""
        return int(sum(table.sum() for table in self.exact))

    def at_least(self, order: int) -> Counts:
        """Shape [4**order, 4]: the positions with `order` known bases or more, by the last `order` of them."""
        total = self.exact[MAX_ORDER]
        for shorter in range(MAX_ORDER - 1, order - 1, -1):
            total = self.exact[shorter] + total.reshape(4, 4**shorter, 4).sum(axis=0)
        return total


def count_kmers(documents: Iterable[Ids], *, max_bases: int | None = None) -> KmerCounts:
    """Count `documents`, ids of shape [bases], the first `max_bases` of them where given. One strand, as given."""
    flat = np.zeros((MAX_ORDER + 1, 4 ** (MAX_ORDER + 1)), dtype=np.int64)
    tail = np.full(MAX_ORDER + 1, _OTHER, dtype=np.uint8)
    bases, capped = 0, False
    for chunk in _chunks(documents):
        length = int((chunk != EOS.id).sum())
        if max_bases is not None and bases + length > max_bases:
            chunk, length, capped = _first_bases(chunk, max_bases - bases), max_bases - bases, True
        bases += length
        codes = np.concatenate([tail, _CODES[to_upper(chunk)]])
        _count(codes, flat)
        tail = codes[-len(tail) :]
        if capped:
            break
    exact = tuple(flat[order, : 4 ** (order + 1)].reshape(4**order, 4) for order in range(MAX_ORDER + 1))
    return KmerCounts(exact=exact, bases=bases, capped=capped)


def _count(codes: npt.NDArray[np.uint8], flat: Counts) -> None:
    """Add the targets `codes[7:]` to `flat`; the seven before them are context, counted with the last chunk."""
    known = codes < _OTHER
    digits = np.where(known, codes, 0).astype(np.uint16)
    pairs = (digits[:-1] << 2) | digits[1:]
    fours = (pairs[:-2] << 4) | pairs[2:]
    sevens = ((fours[1:-3] << 6) | ((pairs[5:-1] << 2) | digits[7:])).astype(np.int64)  # ends at each target
    target = known[MAX_ORDER + 1 :] & (codes[MAX_ORDER:-1] != _START)
    run = _known_before(known)
    whole = target & (run == MAX_ORDER)
    flat[MAX_ORDER] += np.bincount(sevens if whole.all() else sevens[whole], minlength=flat.shape[1])
    short = np.flatnonzero(target & ~whole)
    for order in range(MAX_ORDER if short.size else 0):
        mine = sevens[short[run[short] == order]] & (4 ** (order + 1) - 1)
        flat[order] += np.bincount(mine, minlength=flat.shape[1])


def _known_before(known: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """For each target `known[7:]`, how many bases in a row before it are known, up to 6."""
    count = np.zeros(len(known) - MAX_ORDER - 1, dtype=np.uint8)
    unbroken = np.ones(len(count), dtype=np.bool_)
    for back in range(1, MAX_ORDER + 1):
        unbroken &= known[MAX_ORDER + 1 - back : len(known) - back]
        count += unbroken
    return count


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
