"""A file that is on its way to the disk while it is written.

The kernel holds written pages back, and a sync at the end waits for all of them. Here it is told to start with each
stretch as soon as it is written, so that copying, hashing and the disk work at the same time. Whether all arrived is
asked by the sync at the end, which `foundation.atomic` makes before an output takes its name.
"""

import ctypes
import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_STRETCH = 1 << 25
_START_WRITING = 2  # SYNC_FILE_RANGE_WRITE of Linux


class FlushedFile:
    """`path`, written from its start to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb", buffering=0)
        self.position = self._started = 0

    def __enter__(self) -> "FlushedFile":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; it is not synced yet."""
        self._file.close()

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`."""
        view = memoryview(data)
        while view:
            count = self._file.write(view)
            self.position += count
            view = view[count:]
        if self.position - self._started >= _STRETCH:
            if start := _sync_file_range():
                start(self._file.fileno(), self._started, self.position - self._started, _START_WRITING)
            self._started = self.position

    def write_at(self, position: int, data: bytes) -> None:
        """Put `data` over what was written at `position`."""
        count = os.pwrite(self._file.fileno(), data, position)
        assert count == len(data), (position, count)


@functools.cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """The system call that starts writing a range of a file, and does not wait. None where there is no such call."""
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is None:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    call: Callable[[int, int, int, int], int] = function
    return call
