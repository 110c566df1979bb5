"""Compiled parts that the readers of text share: where a line ends, bytes copied, what a header says."""

from typing import Any

import numpy as np
from numba import njit, types

from tokenizer.sequence import Ids

# The C library's own: they find and copy a line of 60 bases several times as fast as a compiled loop.
_memchr: Any = types.ExternalFunction("memchr", types.intp(types.intp, types.intc, types.intp))
_memcpy: Any = types.ExternalFunction("memcpy", types.intp(types.intp, types.intp, types.intp))

_LINE_FEED, _CARRIAGE_RETURN = 10, 13

NO_NAME, INNER_RETURN = -1, -2
"""What can be wrong with a header: nothing after its mark; a carriage return within."""


@njit(cache=True, nogil=True)
def line_end(text: Ids, start: int, stop: int) -> int:
    """Index of the first line feed in `text[start:stop]`, -1 where there is none."""
    return find(_LINE_FEED, text, start, stop)


@njit(cache=True, nogil=True)
def find(byte: int, text: Ids, start: int, stop: int) -> int:
    """Index of the first `byte` in `text[start:stop]`, -1 where there is none."""
    address: Any = np.int64(text.ctypes.data)
    found: int = _memchr(address + start, byte, stop - start)
    index: int = found - address
    return index if found else -1


@njit(cache=True, nogil=True)
def copy(source: Ids, start: int, stop: int, target: Ids, at: int) -> int:
    """`source[start:stop]` to `target[at:]`, which has the room; index of what follows it there."""
    _memcpy(np.int64(target.ctypes.data) + at, np.int64(source.ctypes.data) + start, stop - start)
    return at + stop - start


@njit(cache=True, nogil=True)
def append(text: Ids, start: int, stop: int, column: Ids, filled: int) -> int:
    """`text[start:stop]` and a line feed to `column[filled:]`; what `filled` becomes."""
    filled = copy(text, start, stop, column, filled)
    column[filled] = _LINE_FEED
    return filled + 1


@njit(cache=True, nogil=True)
def without_return(text: Ids, start: int, stop: int) -> int:
    """End of `text[start:stop]` without a carriage return before the line feed."""
    return stop - 1 if stop > start and text[stop - 1] == _CARRIAGE_RETURN else stop


@njit(cache=True, nogil=True)
def split_header(text: Ids, start: int, stop: int) -> tuple[int, int, int]:
    """A header `text[start:stop]` in two: end of its name, start and end of its description, or a negative error."""
    stop = without_return(text, start, stop)
    if find(_CARRIAGE_RETURN, text, start, stop) >= 0:
        return INNER_RETURN, 0, 0
    name = start
    while name < stop and not _is_blank(text[name]):
        name += 1
    if name == start:
        return NO_NAME, 0, 0
    description = name
    while description < stop and _is_blank(text[description]):
        description += 1
    while description < stop and _is_blank(text[stop - 1]):
        stop -= 1
    return name, description, stop


@njit(cache=True, nogil=True)
def _is_blank(byte: int) -> bool:
    return byte == 32 or byte == 9 or byte == 11 or byte == 12
