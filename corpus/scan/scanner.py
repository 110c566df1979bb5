"""The compiled passes over text: headers found, lines of sequence copied without their ends.

They are in one file, with all that they are compiled from: Numba's cache looks at the age of that file alone.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS

MORE, FULL, END, TOO_LONG = 1, 2, 3, 4
"""Why a scan stopped: the window is used up; the batch is full; the slice or file ends; what must lie in one window is
longer than allowed."""

NO_HEADER, EMPTY, NO_MARK, NO_PLUS, UNEQUAL, CUT = 11, 12, 13, 14, 15, 16
"""Or an error. FASTA: text before the first header. Both: a record has no sequence. FASTQ: a record does not start with
`@`; its third line not with `+`; its qualities are not as many as its bases; the file ends within it."""

NO_NAME, INNER_RETURN = -1, -2
"""Or one of a header: nothing after its mark; a carriage return within."""


class State(NamedTuple):
    """Where a scan is: in the window, and how much of each column is filled.

    `open`: a header was read and its record not yet ended. `inside`: the next byte continues a line of sequence.
    """

    position: int
    records: int = 0
    filled: int = 0
    names: int = 0
    descriptions: int = 0
    open: bool = False
    inside: bool = False


# The C library's own: they find and copy a line of 60 bases several times as fast as a compiled loop.
_memchr: Any = types.ExternalFunction("memchr", types.intp(types.intp, types.intc, types.intp))
_memcpy: Any = types.ExternalFunction("memcpy", types.intp(types.intp, types.intp, types.intp))

_LINE_FEED, _CARRIAGE_RETURN, _FASTA_MARK, _FASTQ_MARK, _PLUS = 10, 13, ord(">"), ord("@"), ord("+")
_EOS = EOS.id


@njit(cache=True, nogil=True)
def scan_fasta(
    text: Ids,
    end: int,
    final: bool,
    limit: int,
    state: State,
    full: int,
    tokens: Ids,
    bounds: npt.NDArray[np.int64],
    names: Ids,
    descriptions: Ids,
) -> tuple[int, State]:
    """Go on over `text[state.position : end]`, up to the first header at or after `limit`.

    The columns must have room for as many bytes as there are to scan, and one more.
    """
    position, records, filled, names_end, descriptions_end, is_open, inside = state
    status = MORE
    while position < end:
        if not inside and text[position] == _FASTA_MARK:
            if is_open:
                if filled == bounds[records]:
                    status = EMPTY
                    break
                filled, records, is_open = _close(tokens, bounds, filled, records)
            if position >= limit:
                status = END
                break
            if records == len(bounds) - 1 or filled >= full:
                status = FULL
                break
            stop = line_end(text, position, end)
            if stop < 0:
                if not final:
                    break
                stop = end
            wrong, names_end, descriptions_end = _take_header(
                text, position + 1, stop, names, names_end, descriptions, descriptions_end
            )
            if wrong:
                status = wrong
                break
            position, is_open = min(stop + 1, end), True
        elif is_open:
            stop = line_end(text, position, end)
            inside = stop < 0
            filled = copy(text, position, end if inside else stop, tokens, filled)
            if not inside:
                filled = without_return(tokens, bounds[records], filled)
            position = end if inside else stop + 1
        elif text[position] == _LINE_FEED or text[position] == _CARRIAGE_RETURN:
            position += 1
        else:
            status = NO_HEADER
            break
    if status == MORE and final:
        status = END
        if is_open:
            filled = without_return(tokens, bounds[records], filled)
            if filled == bounds[records]:
                status = EMPTY
            else:
                filled, records, is_open = _close(tokens, bounds, filled, records)
    return status, State(position, records, filled, names_end, descriptions_end, is_open, inside)


@njit(cache=True, nogil=True)
def scan_fastq(
    text: Ids,
    end: int,
    final: bool,
    state: State,
    full: int,
    tokens: Ids,
    bounds: npt.NDArray[np.int64],
    names: Ids,
    descriptions: Ids,
) -> tuple[int, State]:
    """Go on over the whole records in `text[state.position : end]`."""
    position, records, filled, names_end, descriptions_end = state[:5]
    status = MORE
    while position < end:
        if text[position] == _LINE_FEED or text[position] == _CARRIAGE_RETURN:
            position += 1
            continue
        if records == len(bounds) - 1 or filled >= full:
            status = FULL
            break
        status, header_end, bases_end, following = _four_lines(text, position, end, final)
        if status == END:
            status, names_end, descriptions_end = _take_header(
                text, position + 1, header_end, names, names_end, descriptions, descriptions_end
            )
        if status:
            break
        status = MORE
        filled = copy(text, header_end + 1, bases_end, tokens, filled)
        filled, records, _ = _close(tokens, bounds, filled, records)
        position = following
    if status == MORE and final:
        status = END
    return status, State(position, records, filled, names_end, descriptions_end, False, False)


@njit(cache=True, nogil=True)
def _four_lines(text: Ids, start: int, end: int, final: bool) -> tuple[int, int, int, int]:
    """Where the header and the bases of the record at `start` end, and what follows it; END if it is whole and well."""
    header_end = line_end(text, start, end)
    bases_end = line_end(text, header_end + 1, end) if header_end >= 0 else -1
    plus_end = line_end(text, bases_end + 1, end) if bases_end >= 0 else -1
    quality_end = line_end(text, plus_end + 1, end) if plus_end >= 0 else -1
    following = quality_end + 1
    if final and plus_end >= 0 and quality_end < 0:
        quality_end = following = end
    status = END
    if text[start] != _FASTQ_MARK:
        status = NO_MARK
    elif 0 <= bases_end < end - 1 and text[bases_end + 1] != _PLUS:
        status = NO_PLUS
    elif quality_end < 0:
        status = CUT if final else MORE
    else:
        bases_end = without_return(text, header_end + 1, bases_end)
        if without_return(text, plus_end + 1, quality_end) - plus_end != bases_end - header_end:
            status = UNEQUAL
        elif bases_end == header_end + 1:
            status = EMPTY
    return status, header_end, bases_end, following


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
def _take_header(
    text: Ids, start: int, stop: int, names: Ids, names_end: int, descriptions: Ids, descriptions_end: int
) -> tuple[int, int, int]:
    """Put the header `text[start:stop]` into its columns; an error or 0, and where the columns end."""
    name, description, description_stop = split_header(text, start, stop)
    if name < 0:
        return name, names_end, descriptions_end
    names_end = append(text, start, name, names, names_end)
    return 0, names_end, append(text, description, description_stop, descriptions, descriptions_end)


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


@njit(cache=True, nogil=True)
def _close(tokens: Ids, bounds: npt.NDArray[np.int64], filled: int, records: int) -> tuple[int, int, bool]:
    tokens[filled] = _EOS
    bounds[records + 1] = filled + 1
    return filled + 1, records + 1, False
