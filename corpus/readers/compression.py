"""A source file opened for reading: decompressed where its first bytes say gzip, known whole, observed as it passes."""

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from conduct.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ = 1 << 20

_GZIP_MAGIC = b"\x1f\x8b"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends a bgzf file (SAM specification, section 4.1.2)."""


@contextmanager
def open_source(path: Path, observe: Callable[[memoryview], object] | None = None) -> Iterator[BinaryIO]:
    """The decompressed bytes of `path`; `observe` gets each block of the stored ones, for as long as the call.

    Errors, while reading too: `InputError` for a file that is missing, a directory, unreadable, empty, truncated or
    corrupt (gzip checksums are checked; a bgzf file must have its end block).
    """
    if path.is_dir():
        raise InputError("is a directory", where=path, fix="Name the FASTA files in it, e.g. with a wildcard.")
    try:
        with open(path, "rb", buffering=0) as raw, _buffered(raw, observe) as stored:
            start = stored.peek(16)
            if not start:
                raise InputError("is empty", where=path, fix="Leave it out, or fetch it again.")
            if not start.startswith(_GZIP_MAGIC):
                yield stored
                return
            if start[12:14] == b"BC" and not _ends_with(raw, _BGZF_END):
                raise _damaged(path, "truncated: the end block of bgzf is missing")
            with gzip.open(stored) as stream:
                yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, stream), READ))
    except FileNotFoundError:
        raise InputError("does not exist", where=path, fix="Check the path.") from None
    except EOFError:
        raise _damaged(path, "truncated: the gzip stream ends early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, f"corrupt: {error}") from None
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=path, fix="Check the file and its permissions."
        ) from None


def _buffered(raw: io.FileIO, observe: Callable[[memoryview], object] | None) -> io.BufferedReader:
    return io.BufferedReader(_Observed(raw, observe) if observe else raw, READ)


def _ends_with(raw: io.FileIO, end: bytes) -> bool:
    size = os.fstat(raw.fileno()).st_size
    return size < len(end) or os.pread(raw.fileno(), len(end), size - len(end)) == end


def _damaged(path: Path, how: str) -> InputError:
    return InputError(f"is {how}", where=path, fix="Fetch or compress it again.")


class _Observed(io.RawIOBase):
    """A raw file whose every block passes `observe`."""

    def __init__(self, raw: io.FileIO, observe: Callable[[memoryview], object]) -> None:
        super().__init__()
        self._raw, self._observe = raw, observe

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        count = self._raw.readinto(buffer) or 0
        self._observe(memoryview(buffer)[:count])
        return count
