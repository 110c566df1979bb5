"""The compiled pass over a window of FASTA text: headers found, sequence lines copied without their ends."""

import numpy as np
import numpy.typing as npt
from numba import njit

from corpus.batch import BATCH_BYTES
from corpus.readers.lines import append, copy, line_end, split_header, without_return
from corpus.readers.scanning import END, FULL, MORE, State
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS

NO_HEADER, EMPTY = 11, 12
"""Errors: text before the first header; the open record has no sequence. Those of a header are of `lines`."""

_HEADER, _LINE_FEED, _CARRIAGE_RETURN = ord(">"), 10, 13
_EOS = EOS.id


@njit(cache=True, nogil=True)
def scan(
    text: Ids,
    end: int,
    final: bool,
    limit: int,
    state: State,
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
        if not inside and text[position] == _HEADER:
            if is_open:
                if filled == bounds[records]:
                    status = EMPTY
                    break
                filled, records, is_open = _close(tokens, bounds, filled, records)
            if position >= limit:
                status = END
                break
            if records == len(bounds) - 1 or filled >= BATCH_BYTES:
                status = FULL
                break
            stop = line_end(text, position, end)
            if stop < 0:
                if not final:
                    break
                stop = end
            name, description, description_stop = split_header(text, position + 1, stop)
            if name < 0:
                status = name
                break
            names_end = append(text, position + 1, name, names, names_end)
            descriptions_end = append(text, description, description_stop, descriptions, descriptions_end)
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
def _close(tokens: Ids, bounds: npt.NDArray[np.int64], filled: int, records: int) -> tuple[int, int, bool]:
    tokens[filled] = _EOS
    bounds[records + 1] = filled + 1
    return filled + 1, records + 1, False
