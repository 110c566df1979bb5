"""A file that is on its way to the disk while it is written.

The kernel holds written pages back, and a sync at the end waits for all of them; here a second thread syncs from the
start, so that copying and the disk work at the same time (1.7 GB: 2.4 s instead of 4.1).
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

BLOCK = 1 << 20
_PAUSE = 0.05  # seconds between two syncs


class FlushedFile:
    """`path`, written from its start to its end. On leaving the `with` without an error it is on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb", buffering=0)
        self.position = 0
        self._done = threading.Event()
        self._error: OSError | None = None
        self._flusher = threading.Thread(target=self._flush, daemon=True)
        self._flusher.start()

    def __enter__(self) -> "FlushedFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close(sync=kind is None)

    def close(self, *, sync: bool = True) -> None:
        """End the thread; with `sync`, wait until everything is on the disk. Errors: `OSError`."""
        self._done.set()
        self._flusher.join()
        try:
            if sync and self._error is not None:
                raise self._error
            if sync:
                os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`."""
        view = memoryview(data)
        while view:
            count = self._file.write(view)
            self.position += count
            view = view[count:]

    def write_at(self, position: int, data: bytes) -> None:
        """Put `data` over what was written at `position`."""
        count = os.pwrite(self._file.fileno(), data, position)
        assert count == len(data), (position, count)

    def _flush(self) -> None:
        while not self._done.wait(_PAUSE):
            try:
                os.fdatasync(self._file.fileno())
            except OSError as error:  # a full disk may tell it only here
                self._error = error
                return


def blocks(pieces: Iterable["Array"]) -> Iterable[memoryview]:
    """The bytes of contiguous arrays, in blocks small enough to stay in a processor's cache."""
    for piece in pieces:
        data = piece.reshape(-1).view("u1").data
        for start in range(0, len(data), BLOCK):
            yield data[start : start + BLOCK]
