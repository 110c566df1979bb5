"""A file as bytes that are mapped and not read: only what is looked at comes into memory, and leaves it again."""

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.files.dtypes import raw
from foundation.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Shape = tuple[int, ...]


class MappedFile:
    """The bytes of `path`, read-only. Arrays of it stay valid after `close`, which only drops the pages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.size = file.seek(0, 2)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else b""
        if isinstance(self._map, mmap.mmap):
            self._map.madvise(mmap.MADV_SEQUENTIAL)

    def bytes(self, start: int, length: int) -> bytes:
        """A copy of a few bytes. Errors: `InputError` where the file ends before."""
        self._check(start, length)
        return bytes(memoryview(self._map)[start : start + length])

    def array(self, start: int, shape: "Shape", dtype: str) -> "Array":
        """Raw numbers of the format `dtype` from the byte `start` on, without a copy. Errors: as `bytes`."""
        import math

        import numpy as np

        kind = np.dtype(raw(dtype))
        count = math.prod(shape)
        self._check(start, count * kind.itemsize)
        if count == 0:
            return np.zeros(shape, kind)
        return np.frombuffer(self._map, kind, count, start).reshape(shape)

    def keep(self) -> None:
        """Undo the advice to read it once from start to end, for numbers that are used again and again."""
        if isinstance(self._map, mmap.mmap):
            self._map.madvise(mmap.MADV_NORMAL)

    def forget(self) -> None:
        """Drop the pages that were looked at; they are read again when needed."""
        if isinstance(self._map, mmap.mmap):
            self._map.madvise(mmap.MADV_DONTNEED)

    def _check(self, start: int, length: int) -> None:
        if start < 0 or length < 0 or start + length > self.size:
            raise InputError(
                f"is truncated: {length} bytes from {start} on are needed, it has {self.size}",
                where=self.path,
                fix="Copy the file anew.",
            )
