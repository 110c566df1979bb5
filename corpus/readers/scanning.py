"""How a compiled scanner is driven: over one window after the other, into one batch after the other."""

from collections.abc import Callable, Generator
from typing import NamedTuple

from corpus.batch import Batch
from corpus.readers.window import Columns, Window

MORE, FULL, END, TOO_LONG = 1, 2, 3, 4
"""Why a scan stopped: the window is used up; the batch is full; the slice or file ends; what must lie in one window is
longer than allowed. Each scanner has errors of its own."""


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


Scan = Callable[[State], tuple[int, State]]


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
