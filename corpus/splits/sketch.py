"""A sketch of sequences: a few of their 32-mers, chosen by what they are, so that relatives choose the same.

Those 32-mers count that have TGCA in their middle, one of 256 or so. TGCA is its own reverse complement, so a sequence
and its other strand have the same ones: finding them is one comparison a base, where hashing each 32-mer would cost as
much as all the rest of a preparation. Of what is found, the lowest hashes are kept (bottom-k, as Mash does).
"""

import numpy as np
import numpy.typing as npt
from numba import njit, uint8

from tokenizer.sequence import Ids

K = 32
KEPT = 1 << 14
"""Hashes of a split of a shard."""
KEPT_OF_A_SOURCE = 1 << 8

Hashes = npt.NDArray[np.uint64]

_BEFORE = (K - 4) // 2  # bases of a 32-mer before its TGCA
_BLOCK = 1 << 14
_OTHER = 4
_CODES = np.full(256, _OTHER, dtype=np.uint64)
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):  # a complement is 3 less the code
    _CODES[list(_letters)] = _code


class Sketch:
    """The `limit` lowest hashes of all that were added."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[Hashes] = []
        self._held = 0
        self._highest = np.iinfo(np.uint64).max

    def add(self, hashes: Hashes) -> None:
        """Add hashes, in any order, also again."""
        new = hashes[hashes <= self._highest]
        if len(new):
            self._kept.append(new)
            self._held += len(new)
        if self._held > 4 * self._limit:
            self.hashes()

    def hashes(self) -> Hashes:
        """The lowest, ascending, each once."""
        lowest: Hashes = np.unique(np.concatenate([*self._kept, np.empty(0, dtype=np.uint64)]))[: self._limit]
        self._kept, self._held = [lowest], len(lowest)
        if len(lowest) == self._limit:
            self._highest = lowest[-1]
        return lowest


def sketch_hashes(tokens: Ids) -> tuple[npt.NDArray[np.int64], Hashes]:
    """Where the chosen 32-mers of `tokens` begin, ascending, and their hashes: those of both strands are the same.

    A 32-mer with another letter than A, C, G and T, such as the EOS between two documents, is left out.
    """
    places = np.empty(len(tokens) // 4 + 1, dtype=np.int64)  # memory is taken where it is written
    places = places[: _find(tokens, places)].copy()
    hashes = np.empty(len(places), dtype=np.uint64)
    known = _hash(tokens, places, _CODES, hashes)
    return places[known], hashes[known]


@njit(cache=True, nogil=True)
def _find(tokens, places):  # type: ignore[no-untyped-def]
    """Where the 32-mers with TGCA in their middle begin, into `places`; returns how many there are."""
    found = 0
    flags = np.zeros(_BLOCK, dtype=np.uint8)
    words = flags.view(np.uint64)
    for start in range(0, len(tokens) - K + 1, _BLOCK):
        size = min(_BLOCK, len(tokens) - K + 1 - start)
        middle = start + _BEFORE
        first, second = tokens[middle : middle + size], tokens[middle + 1 : middle + 1 + size]
        third, fourth = tokens[middle + 2 : middle + 2 + size], tokens[middle + 3 : middle + 3 + size]
        flags[size:] = 0
        for place in range(size):  # in single bytes: the compiler compares 32 at a time
            t = uint8(uint8(first[place] | uint8(32)) == uint8(116))
            g = uint8(uint8(second[place] | uint8(32)) == uint8(103))
            c = uint8(uint8(third[place] | uint8(32)) == uint8(99))
            a = uint8(uint8(fourth[place] | uint8(32)) == uint8(97))
            flags[place] = uint8(uint8(t & g) & uint8(c & a))
        for word in range((size + 7) >> 3):
            if words[word]:
                for place in range(8 * word, 8 * word + 8):
                    if flags[place]:
                        places[found] = start + place
                        found += 1
    return found


@njit(cache=True, nogil=True)
def _hash(tokens, places, codes, hashes):  # type: ignore[no-untyped-def]
    """The hashes at `places`; returns which are of four letters alone."""
    known = np.ones(len(places), dtype=np.bool_)
    for number in range(len(places)):
        forward = reverse = np.uint64(0)
        for step in range(K):
            code = codes[tokens[places[number] + step]]
            if code == _OTHER:
                known[number] = False
                break
            forward = (forward << np.uint64(2)) | code
            reverse |= (np.uint64(3) - code) << np.uint64(2 * step)
        mixed = min(forward, reverse)
        for factor in (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)):  # splitmix64's
            mixed = (mixed ^ (mixed >> np.uint64(30))) * factor
        hashes[number] = mixed ^ (mixed >> np.uint64(31))
    return known
