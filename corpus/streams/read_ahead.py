"""A stream read by a thread of its own, some blocks ahead of whoever takes them.

Reading, decompressing and hashing release the interpreter's lock: they continue while the records are scanned.
"""

import io
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20
BLOCKS = 12
"""Blocks in memory at a time: more than one batch of records, so that the thread continues while one is worked on."""


class ReadAhead(io.RawIOBase):
    """The bytes of `source`, in order; an error of reading them is raised where they would have come.

    The thread begins with the first read and ends with `close`, which waits for the block that is being read.
    """

    def __init__(self, source: io.RawIOBase) -> None:
        super().__init__()
        self._source = source
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._coming: deque[Future[memoryview]] = deque()
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        if not self._rest:
            self._rest = self._next_block()
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        super().close()

    def _next_block(self) -> memoryview:
        """What comes next, nothing at the end; the block before it is reused."""
        used = self._rest.obj
        self._request(*([used] if used else (bytearray(BLOCK) for _ in range(BLOCKS))))
        return self._coming.popleft().result()

    def _request(self, *blocks: object) -> None:
        for block in cast("tuple[bytearray, ...]", blocks):
            self._coming.append(self._thread.submit(self._fill, block))

    def _fill(self, block: bytearray) -> memoryview:
        """As much as there is: less only at the end."""
        view, filled = memoryview(block), 0
        while filled < len(view) and (count := cast(io.FileIO, self._source).readinto(view[filled:])):
            filled += count
        return view[:filled]
