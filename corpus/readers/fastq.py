"""FASTQ records of four lines each; the qualities are checked for their length and dropped."""

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from numba import njit

from conduct.errors import InputError
from corpus.batch import BATCH_BYTES, Batch
from corpus.readers.lines import INNER_RETURN, NO_NAME, append, copy, line_end, split_header, without_return
from corpus.readers.scanning import END, FULL, MORE, TOO_LONG, State, scan_batches
from corpus.readers.window import Columns, Window
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS

LONGEST_RECORD = 1 << 30

_NO_MARK, _NO_PLUS, _UNEQUAL, _EMPTY, _CUT = 11, 12, 13, 14, 15

_MARK, _PLUS, _LINE_FEED, _CARRIAGE_RETURN = ord("@"), ord("+"), 10, 13
_EOS = EOS.id


def read_fastq_stream(stream: io.BufferedReader, where: object) -> Iterator[Batch]:
    """Records of a decompressed `stream`, letters not checked. Memory: a few times the longest record.

    Errors: `InputError` with `where` and the record, after the batch of those before it.
    """
    window, columns = Window(stream), Columns()

    def scan(state: State) -> tuple[int, State]:
        text = (window.text, window.end, window.final)
        return _scan(*text, state, columns.tokens, columns.bounds, columns.names, columns.descriptions)

    status, _ = yield from scan_batches(window, columns, scan, longest=LONGEST_RECORD)
    if status != END:
        raise _error(status, window, f"{where}, record {columns.next_number}")
    if columns.next_number == 1:
        raise InputError("holds no record", where=where, fix="Leave it out, or check how it was made.")


@njit(cache=True, nogil=True)
def _scan(
    text: Ids,
    end: int,
    final: bool,
    state: State,
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
        if records == len(bounds) - 1 or filled >= BATCH_BYTES:
            status = FULL
            break
        if text[position] != _MARK:
            status = _NO_MARK
            break
        header_end = line_end(text, position, end)
        sequence_end = line_end(text, header_end + 1, end) if header_end >= 0 else -1
        if 0 <= sequence_end < end - 1 and text[sequence_end + 1] != _PLUS:
            status = _NO_PLUS
            break
        plus_end = line_end(text, sequence_end + 1, end) if sequence_end >= 0 else -1
        quality_end = line_end(text, plus_end + 1, end) if plus_end >= 0 else -1
        if quality_end < 0:
            if not final:
                break
            if plus_end < 0:
                status = _CUT
                break
            quality_end = end
        bases = without_return(text, header_end + 1, sequence_end) - header_end - 1
        if without_return(text, plus_end + 1, quality_end) - plus_end - 1 != bases:
            status = _UNEQUAL
            break
        if bases == 0:
            status = _EMPTY
            break
        name, description, description_stop = split_header(text, position + 1, header_end)
        if name < 0:
            status = name
            break
        names_end = append(text, position + 1, name, names, names_end)
        descriptions_end = append(text, description, description_stop, descriptions, descriptions_end)
        filled = copy(text, header_end + 1, header_end + 1 + bases, tokens, filled)
        tokens[filled] = _EOS
        filled += 1
        records += 1
        bounds[records] = filled
        position = min(quality_end + 1, end)
    if status == MORE and final:
        status = END
    return status, State(position, records, filled, names_end, descriptions_end, False, False)


def _error(status: int, window: Window, record: str) -> InputError:
    header = window.text[window.position : min(window.end, window.position + 1000)].tobytes().partition(b"\n")[0]
    line = header.rstrip(b"\r").decode("utf-8", "backslashreplace")
    problem, fix = {
        _NO_MARK: (f"does not start with '@' but with {line[:20]!r}", "Check the record before it."),
        _NO_PLUS: (
            "its third line does not start with '+': a sequence of several lines, or a damaged record",
            "Give each record four lines, e.g. with seqtk seq -l0.",
        ),
        _UNEQUAL: ("its qualities are not as many as its bases", "Give each record four lines, or repair it."),
        _EMPTY: ("has no sequence", "Remove the record."),
        _CUT: ("is cut: the file ends within it", "Fetch the file again."),
        TOO_LONG: (f"is longer than {LONGEST_RECORD:,} bytes", "Check how it was made."),
        NO_NAME: (f"has no name: its header is {line!r}", "Name it right after the '@'."),
        INNER_RETURN: ("has a carriage return in its header", "Convert the line ends: tr '\\r' '\\n'."),
    }[status]
    return InputError(problem, where=f"{record} {line[1:].split()[0] if line[1:].split() else ''!r}", fix=fix)
