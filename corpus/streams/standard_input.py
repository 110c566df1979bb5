"""Standard input as a raw stream whose beginning can be looked at and is read all the same."""

import io
import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class StandardInput(io.RawIOBase):
    """Bytes of file descriptor `descriptor`, once."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        os.set_blocking(descriptor, True)  # else what has not come yet would look like the end
        self._raw = io.FileIO(descriptor, closefd=False)
        self._head = b""

    def readable(self) -> bool:
        return True

    def head(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end; they are read again."""
        while len(self._head) < size and (more := self._raw.read(size - len(self._head))):
            self._head += more
        return self._head[:size]

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        if not self._head:
            return self._raw.readinto(buffer) or 0
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._head))
        target[:count], self._head = self._head[:count], self._head[count:]
        return count

    def close(self) -> None:
        """Standard input stays open: what was looked at is still to be read."""


@lru_cache(maxsize=1)
def standard_input() -> StandardInput:
    """The one of this process."""
    return StandardInput(os.dup(0))
