"""What a compiled scanner works on, and how it is driven: a window of a text that moves along, and columns to fill."""

import io
from collections.abc import Callable, Generator

import numpy as np
import numpy.typing as npt

from corpus.scan.batch import BATCH_BYTES, Batch
from corpus.scan.scanner import FULL, MORE, TOO_LONG, State
from tokenizer.sequence import Ids

Scan = Callable[[State], tuple[int, State]]

BLOCK = 1 << 20
LONGEST_HEADER = 1 << 20
RECORDS = 1 << 16
"""Records of one batch at the most."""


class Window:
    """`text[position:end]` is what is still to be scanned; `offset` is the position of `text[0]` in the file."""

    def __init__(self, stream: io.BufferedReader, offset: int = 0) -> None:
        self._stream = stream
        self.text: Ids = np.empty(BLOCK, dtype=np.uint8)
        self.offset, self.position, self.end = offset, 0, 0
        self.final = False

    def advance(self) -> None:
        """Drop what was scanned, keep the rest, and read more; `final` is set when there is no more."""
        rest = self.text[self.position : self.end].copy()
        if 2 * len(rest) > len(self.text):
            self.text = np.empty(2 * len(self.text), dtype=np.uint8)
        self.text[: len(rest)] = rest
        self.offset += self.position
        self.position, self.end = 0, len(rest)
        count = self._stream.readinto(self.text[self.end :].data)
        self.end += count
        self.final = count == 0

    def skip(self, count: int) -> None:
        """Go on `count` bytes ahead."""
        self.position += count

    def rest(self) -> bytes:
        """What is still to be scanned."""
        return self.text[self.position : self.end].tobytes()


class Columns:
    """Growing columns of a batch; names and descriptions are bytes with a line feed after each."""

    def __init__(self) -> None:
        self.full = BATCH_BYTES
        self._first = 1
        self.bounds = np.empty(RECORDS + 1, dtype=np.int64)  # memory is taken where it is written
        self.bounds[0] = 0
        self.names = self.descriptions = np.empty(0, dtype=np.uint8)
        self.tokens = _fresh()

    @property
    def arrays(self) -> tuple[Ids, npt.NDArray[np.int64], Ids, Ids]:
        """What a scanner fills: tokens, bounds, names, descriptions."""
        return self.tokens, self.bounds, self.names, self.descriptions

    def reserve(self, used: tuple[int, int, int], more: int) -> None:
        """Make room for `more` bytes after the `used` ones of tokens, names and descriptions."""
        tokens, names, descriptions = used
        self.tokens = _grown(self.tokens, tokens, more)
        self.names = _grown(self.names, names, more)
        self.descriptions = _grown(self.descriptions, descriptions, more)

    def take(self, records: int, names: int, descriptions: int) -> Batch:
        """The first `records` as a batch; the columns are empty after it."""
        tokens = self.tokens[: self.bounds[records]]
        if len(tokens) < BLOCK:  # not a view that would hold a whole column
            tokens = tokens.copy()
        else:
            self.tokens = _fresh()
        tokens.flags.writeable = False
        batch = Batch(
            first=self._first,
            names=_lines(self.names[:names], records),
            descriptions=_lines(self.descriptions[:descriptions], records),
            tokens=tokens,
            bounds=self.bounds[: records + 1].copy(),
        )
        self._first += records
        return batch

    def last_name(self, names: int) -> str:
        """The last of the names, of which there are `names` bytes; "" where none."""
        last = self.names[max(names - LONGEST_HEADER, 0) : names].tobytes()
        return last[:-1].rpartition(b"\n")[2].decode("utf-8", "backslashreplace")

    @property
    def next_number(self) -> int:
        """Number of the first record of the next batch."""
        return self._first


def _fresh() -> Ids:
    return np.empty(BATCH_BYTES + 2 * BLOCK, dtype=np.uint8)


def _grown(column: Ids, used: int, more: int) -> Ids:
    """`column` with room for `more`."""
    if used + more <= len(column):
        return column
    larger = np.empty(max(2 * len(column), used + more), dtype=np.uint8)
    larger[:used] = column[:used]
    return larger


def _lines(column: Ids, count: int) -> list[str]:
    if len(column) == count:
        return [""] * count
    return column.tobytes().decode("utf-8", "backslashreplace").split("\n")[:count]


def scan_batches(
    window: Window, columns: Columns, scan: Scan, *, longest: int
) -> Generator[Batch, None, tuple[int, State]]:
    """Batches of what `scan` finds in `window`; returns why it stopped, END or an error, with `window` there.

    `longest`: bytes that a scan may leave over of a window.
    """
    state = State(window.position)
    while True:
        columns.reserve((state.filled, state.names, state.descriptions), window.end - state.position + 1)
        status, state = scan(state)
        window.position = state.position
        if status == MORE and window.end - window.position > longest:
            status = TOO_LONG
        if status == MORE:
            window.advance()
            state = state._replace(position=0)
            continue
        if state.records:
            yield columns.take(state.records, state.names, state.descriptions)
        if status != FULL:
            return status, state
        state = State(window.position)
