"""Signs of life of one long process: what it does now, at once; elsewhere than on a terminal, again every 30 seconds.

Work whose amount is known has a bar of its own (`foundation.progress`). This is for a process that goes through many
kinds of work, and prints lines of its own between them: a line is repeated only where none was printed for so long.
"""

import sys
import threading
import time

from foundation.progress import EVERY, clock
from foundation.terminal import warn


class Heartbeat:
    """One thread, from the first `begin` to `end`, or the end of a `with`.

    `every`: seconds without a line after which there is one.
    """

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._what, self._since, self._spoke = "", 0.0, 0.0
        self._ended: threading.Event | None = None

    def begin(self, what: str) -> None:
        """Say `what` is done from now on."""
        self.set_activity(what)
        self.line_printed()
        warn(what)
        if self._ended is None and not sys.stderr.isatty():
            self._ended = threading.Event()
            threading.Thread(target=self._watch, args=(self._ended,), name="heartbeat", daemon=True).start()

    def set_activity(self, what: str) -> None:
        """Note `what` is done from now on, without a line: other lines say so."""
        self._what, self._since = what, time.perf_counter()

    def line_printed(self) -> None:
        """Note that a line was printed, whoever did."""
        self._spoke = time.perf_counter()

    def end(self) -> None:
        """Say no more, until the next `begin`."""
        if self._ended is not None:
            self._ended.set()
        self._ended = None

    def __enter__(self) -> "Heartbeat":
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(max(self._spoke + self._every - time.perf_counter(), self._every / 100)):
            now = time.perf_counter()
            if now - self._spoke >= self._every:
                warn(f"{self._what}: {clock(now - self._since)} so far")
                self._spoke = now


HEARTBEAT = Heartbeat()
"""Of this process."""
