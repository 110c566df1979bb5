"""A file whose numbers are addressed like memory and read by the system: block by block, and never all of it.

An array of a `MappedFile` is a view of a mapping, so that it can be cut and reshaped without a copy. Touching it would
end the process without a word (SIGBUS) if the file is cut short meanwhile; `blocks` and `loaded` read the
file instead, and know when it ends.
"""

import math
import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.files.dtypes import raw
from foundation.errors import InputError
from foundation.regular_file import open_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Shape = tuple[int, ...]

BLOCK = 1 << 20


class ShrankError(InputError):
    """Of a file that something cut short while it was read: no fault of what is in it."""


class MappedFile:
    """The bytes of `path`, read-only. Errors: `InputError` for what is not a file; `OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_regular(path)
        self.size = os.fstat(self._file.fileno()).st_size
        os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        self._map: _Map | None = None

    def bytes(self, start: int, length: int) -> bytes:
        """A copy of a few bytes. Errors: `InputError` where the file ends before."""
        self._check(start, length)
        data = bytearray(length)
        self.read_into(memoryview(data), start)
        return bytes(data)

    def array(self, start: int, shape: "Shape", dtype: str) -> "Array":
        """Raw numbers of the format `dtype` from the byte `start` on, for `blocks` or `loaded`. Errors: as `bytes`."""
        import numpy as np

        kind = np.dtype(raw(dtype))
        count = math.prod(shape)
        self._check(start, count * kind.itemsize)
        if count == 0:
            return np.zeros(shape, kind)
        return np.frombuffer(self._mapping(), kind, count, start).reshape(shape)

    def read_into(self, target: memoryview, start: int) -> None:
        """Fill `target` with the bytes from `start` on. Errors: `InputError` if the file was truncated since."""
        filled = 0
        while filled < len(target):
            count = os.preadv(self._file.fileno(), [target[filled:]], start + filled)
            if count == 0:
                raise self._shrank()
            filled += count

    def _mapping(self) -> "_Map":
        if self._map is None:
            try:
                self._map = _Map(self._file.fileno(), self.size, access=mmap.ACCESS_READ)
            except ValueError:  # its length is greater than the file's
                raise self._shrank() from None
            self._map.source = self
        return self._map

    def _shrank(self) -> ShrankError:
        now = os.fstat(self._file.fileno()).st_size
        return ShrankError(
            f"was cut short while it was read: it had {self.size:,} bytes, it has {now:,}",
            where=self.path,
            fix="Wait until nothing writes to it, or copy it again.",
            kind="file-shrank",
        )

    def _check(self, start: int, length: int) -> None:
        if start < 0 or length < 0 or start + length > self.size:
            raise InputError(
                f"is truncated: {length:,} bytes from {start:,} on are needed, it has {self.size:,}",
                where=self.path,
                fix="Copy the file again.",
                kind="file-truncated",
            )


class _Map(mmap.mmap):
    """Gives addresses; its pages are touched by models alone, which compute with them where they lie."""

    source: MappedFile


def blocks(pieces: Iterable["Array"]) -> Iterable[memoryview]:
    """The bytes of contiguous arrays, in blocks small enough to stay in a processor's cache.

    A block is only valid until the next one is asked for. Errors: `InputError` where a file was cut short.
    """
    buffer = memoryview(bytearray(BLOCK))
    for piece in pieces:
        found = _place(piece)
        data = None if found else memoryview(piece.reshape(-1).view("u1"))  # type: ignore[arg-type]
        for start in range(0, piece.nbytes, BLOCK):
            stop = min(start + BLOCK, piece.nbytes)
            if found:
                file, offset = found
                file.read_into(buffer[: stop - start], offset + start)
            yield buffer[: stop - start] if data is None else data[start:stop]


def loaded(array: "Array") -> "Array":
    """The numbers of a contiguous array in memory: a copy of those of a file, others as they are. Errors: as above."""
    import numpy as np

    found = _place(array)
    if found is None:
        return array
    copy = np.empty(array.shape, array.dtype)
    file, offset = found
    file.read_into(memoryview(copy.reshape(-1).view("u1")), offset)  # type: ignore[arg-type]
    return copy


def _place(array: "Array") -> tuple[MappedFile, int] | None:
    """The file that `array` is a view of, and where it starts in there; None for one in memory."""
    import numpy as np

    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    if not isinstance(owner, _Map) or array.nbytes == 0:
        return None
    assert array.flags.c_contiguous
    address = np.frombuffer(owner, "u1", 1).__array_interface__["data"][0]
    return owner.source, array.__array_interface__["data"][0] - address
