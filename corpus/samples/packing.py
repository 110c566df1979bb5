"""Best-fit-decreasing packing of document pieces into windows, compiled: some 0.1 us a piece.

The largest piece first, each into the open window that it leaves the least room in (Johnson 1974). Lengths are whole
numbers up to the window's, so open windows are kept in one list for each amount of room, and a bitmap tells which lists
are not empty.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Numbers = npt.NDArray[np.int64]


class Packing(NamedTuple):
    """`order`: pieces, window after window; `first`: where each window begins in it, then its end, [windows + 1]."""

    order: Numbers
    first: Numbers


def cut(starts: Numbers, seq_length: int) -> tuple[Numbers, Numbers]:
    """Cut documents into pieces: where each begins in the stream, and its labels, at most `seq_length`.

    A piece of n labels is n + 1 stored tokens, the last of which is the first of the next piece of its document; so
    every token but a document's first is a label once. `starts`: of documents, then the end of the last.
    """
    pieces = -(-(np.diff(starts) - 1) // seq_length)
    first, length = np.empty((2, int(pieces.sum())), dtype=np.int64)
    _cut(starts, seq_length, first, length)
    return first, length


def pack(lengths: Numbers, seq_length: int) -> Packing:
    """Put pieces of `lengths`, each in [1, seq_length], into windows of `seq_length`."""
    window = np.empty(len(lengths), dtype=np.int64)
    windows = _best_fit(_longest_first(lengths, seq_length), lengths, seq_length, window)
    return Packing(*_by_window(window, windows))


@njit(cache=True, nogil=True)
def _cut(starts, seq_length, first, length):  # type: ignore[no-untyped-def]
    piece = 0
    for document in range(len(starts) - 1):
        start, end = starts[document], starts[document + 1] - 1
        while start < end:
            first[piece], length[piece] = start, min(seq_length, end - start)
            start += seq_length
            piece += 1


@njit(cache=True, nogil=True)
def _longest_first(lengths, seq_length):  # type: ignore[no-untyped-def]
    """Pieces by falling length: a counting sort."""
    place = np.zeros(seq_length + 2, dtype=np.int64)
    for length in lengths:
        place[seq_length - length + 1] += 1
    place = np.cumsum(place)
    order = np.empty(len(lengths), dtype=np.int64)
    for piece in range(len(lengths)):
        order[place[seq_length - lengths[piece]]] = piece
        place[seq_length - lengths[piece]] += 1
    return order


@njit(cache=True, nogil=True)
def _best_fit(order, lengths, seq_length, window):  # type: ignore[no-untyped-def]
    """Set the window of each piece; returns the number of windows."""
    newest = np.full(seq_length + 1, -1, dtype=np.int64)  # by room: the open window that was listed last
    older = np.empty(len(order), dtype=np.int64)  # by window: the one listed before it
    listed = np.zeros(seq_length // 64 + 1, dtype=np.uint64)  # a bit for each room that has windows
    windows = 0
    for piece in order:
        room = _least_room(listed, lengths[piece])
        if room < 0:
            chosen, room = windows, seq_length
            windows += 1
        else:
            chosen = newest[room]
            newest[room] = older[chosen]
            if newest[room] < 0:
                listed[room >> 6] &= ~(np.uint64(1) << np.uint64(room & 63))
        window[piece] = chosen
        room -= lengths[piece]
        if room:
            older[chosen] = newest[room]
            newest[room] = chosen
            listed[room >> 6] |= np.uint64(1) << np.uint64(room & 63)
    return windows


@njit(cache=True, nogil=True)
def _least_room(listed, length):  # type: ignore[no-untyped-def]
    """The lowest set bit from `length` on, or -1."""
    word = length >> 6
    bits = listed[word] >> np.uint64(length & 63) << np.uint64(length & 63)
    while not bits:
        word += 1
        if word == len(listed):
            return -1
        bits = listed[word]
    room = word << 6
    for step in (32, 16, 8, 4, 2, 1):
        if not bits & ((np.uint64(1) << np.uint64(step)) - np.uint64(1)):
            bits >>= np.uint64(step)
            room += step
    return room


@njit(cache=True, nogil=True)
def _by_window(window, windows):  # type: ignore[no-untyped-def]
    first = np.zeros(windows + 1, dtype=np.int64)
    for chosen in window:
        first[chosen + 1] += 1
    first = np.cumsum(first)
    place = first.copy()
    order = np.empty(len(window), dtype=np.int64)
    for piece in range(len(window)):
        order[place[window[piece]]] = piece
        place[window[piece]] += 1
    return order, first
