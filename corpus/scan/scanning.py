"""How a compiled scanner is driven: over one window after the other, into one batch after the other."""

from collections.abc import Callable, Generator

from corpus.scan.batch import Batch
from corpus.scan.scanner import FULL, MORE, TOO_LONG, State
from corpus.scan.window import Columns, Window

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
