"""A hash of a sequence that is the same for both its strands, in any case, for U as for T."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numba import njit, uint8, uint64
from xxhash import xxh3_64, xxh3_64_intdigest

from tokenizer.sequence import Ids, reverse_complement, to_upper

BLOCK = 1 << 18
"""Bases brought into canonical form at once: no second copy of a chromosome is made."""


def strand_hashes(tokens: Ids, bounds: npt.NDArray[np.int64], *, seed: int) -> npt.NDArray[np.uint64]:
    """64-bit XXH3, seeded with `seed`, of the canonical form of each document of a batch, shape [documents].

    That form is the lexicographically smaller of a sequence and its reverse complement, upper-cased, U as T. Each
    document ends with EOS, which is left out. Here and anywhere, today and later: nothing else goes into it.
    """
    hashes = np.empty(len(bounds) - 1, dtype=np.uint64)
    canonical, scratch = np.empty((2, min(int(bounds[-1]), BLOCK)), dtype=np.uint8)
    edges = bounds.tolist()
    first = 0
    while first < len(hashes):
        last = max(first, int(np.searchsorted(bounds, edges[first] + BLOCK, side="right")) - 1)
        if last == first:
            sequence = tokens[edges[first] : edges[first + 1] - 1]
            hashes[first] = _hash_in_blocks(sequence, canonical, scratch, seed)
            first += 1
            continue
        _canonical_forms(tokens, bounds[first : last + 1], _FORWARD, _REVERSE, scratch, canonical)
        places, view, digest = (bounds[first : last + 1] - bounds[first]).tolist(), canonical.data, xxh3_64_intdigest
        hashes[first:last] = [digest(view[start : stop - 1], seed) for start, stop in pairwise(places)]
        first = last
    return hashes


def _hash_in_blocks(sequence: Ids, canonical: Ids, scratch: Ids, seed: int) -> int:
    digest = xxh3_64(seed=seed)
    size = len(sequence)
    other_strand = _other_strand_is_smaller(sequence, _FORWARD, _REVERSE)
    for start in range(0, size, BLOCK):
        block = canonical[: min(BLOCK, size - start)]
        if other_strand:
            _turn(sequence[size - start - len(block) : size - start], _REVERSE, scratch[: len(block)], block)
        else:
            _fold(sequence[start : start + len(block)], _FORWARD, block)
        digest.update(block.data)
    return digest.intdigest()


@njit(cache=True, nogil=True)
def _canonical_forms(tokens, bounds, forward, reverse, scratch, result):  # type: ignore[no-untyped-def]
    """Each document's form, at the place that the document has in the batch."""
    for document in range(len(bounds) - 1):
        start, stop = bounds[document], bounds[document + 1] - 1
        sequence, form = tokens[start:stop], result[start - bounds[0] : stop - bounds[0]]
        if _other_strand_is_smaller(sequence, forward, reverse):
            _turn(sequence, reverse, scratch[: len(sequence)], form)
        else:
            _fold(sequence, forward, form)


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
def _fold(sequence, forward, result):  # type: ignore[no-untyped-def]
    """The table's letters: by arithmetic, 32 bases at a time, where all are A, C, G, T or N."""
    rare = uint8(0)
    for position, token in enumerate(sequence):
        letter = uint8(token & uint8(0xDF))
        at = uint8((letter == uint8(65)) | (letter == uint8(84)))
        cg = uint8((letter == uint8(67)) | (letter == uint8(71)))
        rare = uint8(rare | uint8(uint8(at | cg) | uint8(letter == uint8(78))) ^ uint8(1))
        result[position] = letter
    if rare:
        for position in range(len(sequence)):
            result[position] = forward[sequence[position]]


@njit(cache=True, nogil=True)
def _turn(sequence, reverse, scratch, result):  # type: ignore[no-untyped-def]
    """The table's letters, the last first. A and T differ in the bits 0x15, C and G in 0x04; N stays N."""
    rare = uint8(0)
    for position, token in enumerate(sequence):
        letter = uint8(token & uint8(0xDF))
        at = uint8((letter == uint8(65)) | (letter == uint8(84)))
        cg = uint8((letter == uint8(67)) | (letter == uint8(71)))
        rare = uint8(rare | uint8(uint8(at | cg) | uint8(letter == uint8(78))) ^ uint8(1))
        scratch[position] = uint8(letter ^ uint8(uint8(at * uint8(0x15)) ^ uint8(cg * uint8(0x04))))
    if rare:
        for position in range(len(sequence)):
            scratch[position] = reverse[sequence[position]]
    _reverse(scratch, result)


@njit(cache=True, nogil=True)
def _reverse(letters, result):  # type: ignore[no-untyped-def]
    """`letters`, the last first: eight at a time, those that are left over at the end."""
    count, left = len(letters) >> 3, len(letters) & 7
    words, turned = letters[left:].view(np.uint64), result[: 8 * count].view(np.uint64)
    for place in range(count):
        word = words[count - 1 - place]
        word = ((word >> uint64(8)) & _BYTES) | ((word & _BYTES) << uint64(8))
        word = ((word >> uint64(16)) & _PAIRS) | ((word & _PAIRS) << uint64(16))
        turned[place] = (word >> uint64(32)) | (word << uint64(32))
    for place in range(left):
        result[8 * count + place] = letters[left - 1 - place]


_BYTES, _PAIRS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)


def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Each byte in canonical form, and its complement."""
    every_byte = np.arange(256, dtype=np.uint8)
    forward = to_upper(every_byte).copy()
    forward[ord("U")] = forward[ord("u")] = ord("T")
    return forward, reverse_complement(forward[::-1]).copy()


_FORWARD, _REVERSE = _tables()
