"""A hash of a sequence that is the same for both its strands, in any case, for U as for T."""

import numpy as np
import numpy.typing as npt
import xxhash
from numba import njit

from tokenizer.sequence import Ids, reverse_complement, to_upper

BLOCK = 1 << 24
"""Bases brought into canonical form at once: no second copy of a chromosome is made."""


def strand_hashes(tokens: Ids, bounds: npt.NDArray[np.int64], *, seed: int) -> npt.NDArray[np.uint64]:
    """64-bit XXH3, seeded with `seed`, of the canonical form of each document of a batch, shape [documents].

    That form is the lexicographically smaller of a sequence and its reverse complement, upper-cased, U as T. Each
    document ends with EOS, which is left out. Here and anywhere, today and later: nothing else goes into it.
    """
    hashes = np.empty(len(bounds) - 1, dtype=np.uint64)
    canonical = np.empty(min(int(bounds[-1]), BLOCK), dtype=np.uint8)
    edges = bounds.tolist()
    first = 0
    while first < len(hashes):
        last = max(first, int(np.searchsorted(bounds, edges[first] + BLOCK, side="right")) - 1)
        if last == first:
            hashes[first] = _hash_in_blocks(tokens[edges[first] : edges[first + 1] - 1], canonical, seed)
            first += 1
            continue
        _canonical_forms(tokens, bounds[first : last + 1], _FORWARD, _REVERSE, canonical)
        view, origin = canonical.data, edges[first]
        for document in range(first, last):
            form = view[edges[document] - origin : edges[document + 1] - 1 - origin]
            hashes[document] = xxhash.xxh3_64_intdigest(form, seed)
        first = last
    return hashes


def _hash_in_blocks(sequence: Ids, canonical: Ids, seed: int) -> int:
    digest = xxhash.xxh3_64(seed=seed)
    size = len(sequence)
    other_strand = _other_strand_is_smaller(sequence, _FORWARD, _REVERSE)
    for start in range(0, size, BLOCK):
        block = canonical[: min(BLOCK, size - start)]
        if other_strand:
            _translate_backwards(sequence[size - start - len(block) : size - start], _REVERSE, block)
        else:
            _translate(sequence[start : start + len(block)], _FORWARD, block)
        digest.update(block.data)
    return digest.intdigest()


@njit(cache=True, nogil=True)
def _canonical_forms(tokens, bounds, forward, reverse, result):  # type: ignore[no-untyped-def]
    """Each document's form, at the place that the document has in the batch."""
    for document in range(len(bounds) - 1):
        start, stop = bounds[document], bounds[document + 1] - 1
        sequence, form = tokens[start:stop], result[start - bounds[0] : stop - bounds[0]]
        if _other_strand_is_smaller(sequence, forward, reverse):
            _translate_backwards(sequence, reverse, form)
        else:
            _translate(sequence, forward, form)


@njit(cache=True, nogil=True)
def _other_strand_is_smaller(sequence, forward, reverse):  # type: ignore[no-untyped-def]
    """Stops at the first difference, mostly in the first few bases."""
    last = len(sequence) - 1
    for position in range(len(sequence)):
        here, there = forward[sequence[position]], reverse[sequence[last - position]]
        if here != there:
            return there < here
    return False


@njit(cache=True, nogil=True)
def _translate(sequence, table, result):  # type: ignore[no-untyped-def]
    for position, base in enumerate(sequence):
        result[position] = table[base]


@njit(cache=True, nogil=True)
def _translate_backwards(sequence, table, result):  # type: ignore[no-untyped-def]
    position = len(sequence)
    for base in sequence:
        position -= 1
        result[position] = table[base]


def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Each byte in canonical form, and its complement."""
    every_byte = np.arange(256, dtype=np.uint8)
    forward = to_upper(every_byte).copy()
    forward[ord("U")] = forward[ord("u")] = ord("T")
    return forward, reverse_complement(forward[::-1]).copy()


_FORWARD, _REVERSE = _tables()
