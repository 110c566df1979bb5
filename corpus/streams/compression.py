"""A source opened for reading: decompressed as its first bytes say, known whole, observed as it passes."""

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from corpus.streams import bgzf
from corpus.streams.members import CODECS, Codec, MemberStream
from corpus.streams.read_ahead import BLOCK, ReadAhead
from corpus.streams.standard_input import StandardInput, standard_input
from foundation.disk import FULL
from foundation.errors import InputError
from foundation.regular_file import open_regular, opener

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STANDARD_INPUT = Path("-")

READ = 1 << 18
HEAD = 1 << 12
"""Stored bytes that tell how a source is compressed."""

_DECODABLE = 1 << 18
"""Stored bytes that a decoder makes something of: zstd takes a block whole, of up to 128 KiB."""

Observe = Callable[[memoryview], object]

_NOT_READ = {
    b"BZh": ("bzip2", "Compress it again: bzip2 -dc FILE | bgzip > FILE.gz."),
    b"\xfd7zXZ\0": ("xz", "Compress it again: xz -dc FILE | bgzip > FILE.gz."),
    b"PK\x03\x04": ("a zip archive", "Unpack it: unzip FILE."),
}


@contextmanager
def open_source(
    path: Path, observe: Observe | None = None, *, start: int = 0, ahead: bool = False
) -> Iterator[io.BufferedReader]:
    """The decompressed bytes of `path`; `observe` gets each block of the stored ones, for as long as the call.

    A compressed file, which cannot be cut for several processes, is decompressed by a thread, which calls `observe`.
    gzip, bgzf and zstd are known by their first bytes, never by a name. `-` is standard input. `start`: the byte to
    begin at, of a file that is not compressed. `ahead`: let a thread read, and observe, such a file too.
    Errors, while reading too: `InputError` for a file that is missing, a directory, unreadable, empty, truncated or
    corrupt, with the offset in the stored file (checksums are checked; a bgzf file must have its end block).
    """
    with named_errors(path), _raw(path) as raw:
        head = _look(raw)
        if not head:
            raise InputError("is empty", where=path, fix="Leave it out, or fetch it again.", kind="empty-file")
        codec, blocked = _codec(path, head), bgzf.is_bgzf(head)
        if blocked and isinstance(raw, io.FileIO):
            bgzf.check_end(path, raw)
        if start:
            raw.seek(start)
        source: io.RawIOBase = _Observed(raw, observe) if observe else raw
        if codec is not None:
            source = MemberStream(path, _buffered(source), codec, end=bgzf.END if blocked else b"")
        # Do not read ahead from a pipe: its next block may never come.
        if isinstance(raw, StandardInput) or (codec is None and not (ahead and _is_large(raw))):
            yield _buffered(source)
            return
        with closing(ReadAhead(source)) as read:
            yield _buffered(read)


def check_opens(*paths: Path) -> None:
    """That each is a file with something in it, before anything slow; standard input and folders are not looked at.

    Errors: those of `open_source`.
    """
    for path in paths:
        if path != STANDARD_INPUT and not path.is_dir():
            with open_source(path):
                pass


@dataclass(frozen=True, kw_only=True)
class Look:
    """What opening a source once shows.

    `head`: its first decompressed bytes, up to `HEAD`; `bytes`: as stored; `modified`: nanoseconds since 1970.
    """

    head: bytes
    compressed: bool
    bytes: int
    modified: int


def look_at(path: Path) -> Look:
    """A look at `path`, which is opened once. Errors: those of `open_source`."""
    with named_errors(path), _raw(path) as raw:
        stored = _look(raw, _DECODABLE)
        status = os.fstat(raw.fileno()) if isinstance(raw, io.FileIO) else None
        codec = _codec(path, stored)
        plain = _buffered(MemberStream(path, io.BytesIO(stored), codec, whole=False)).read(HEAD) if codec else stored
        return Look(
            head=plain[:HEAD],
            compressed=codec is not None,
            bytes=status.st_size if status else 0,
            modified=status.st_mtime_ns if status else time.time_ns(),  # standard input is never the same again
        )


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """What the system refuses about `path`, as an `InputError`."""
    try:
        yield
    except FileNotFoundError:
        raise InputError("does not exist", where=path, fix="Check the path.", kind="missing-file") from None
    except IsADirectoryError:
        fix = f"Name the files in it, e.g. with a wildcard: '{path}/*'."
        raise InputError("is a directory", where=path, fix=fix, kind="is-a-directory") from None
    except OSError as error:
        if error.errno in FULL:
            raise  # of an output, written while this was open
        problem = f"cannot be read: {error.strerror or error}"
        raise InputError(
            problem, where=path, fix="Check the file and its permissions.", kind="cannot-be-read"
        ) from None


@contextmanager
def _raw(path: Path) -> Iterator[io.FileIO | StandardInput]:
    if path == STANDARD_INPUT:
        yield standard_input()
        return
    with open_regular(path) as raw:
        yield raw


def _is_large(raw: io.FileIO) -> bool:
    """Whether it is more than a thread takes at once."""
    return os.fstat(raw.fileno()).st_size > BLOCK


def _buffered(raw: io.RawIOBase) -> io.BufferedReader:
    return io.BufferedReader(raw, READ)


def _look(raw: io.FileIO | StandardInput, size: int = HEAD) -> bytes:
    """The first bytes, which are read again."""
    if isinstance(raw, StandardInput):
        return raw.head(size)
    head = raw.read(size) or b""
    raw.seek(0)
    return head


def _codec(path: Path, head: bytes) -> Codec | None:
    for magic, (name, fix) in _NOT_READ.items():
        if head.startswith(magic):
            raise InputError(
                f"is {name}, which is not read",
                where=path,
                fix=fix.replace("FILE", str(path)),
                kind="unread-compression",
            )
    return next((codec for codec in CODECS if codec.starts(head)), None)


class ObservedFile(io.FileIO):
    """A raw file whose every block passes `observe`, in the order of reading: for formats that seek."""

    def __init__(self, path: Path, observe: Observe | None) -> None:
        super().__init__(path, opener=opener)
        self._observe = observe or (lambda block: None)

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._observe(memoryview(data))
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        count = super().readinto(buffer) or 0
        self._observe(memoryview(buffer).cast("B")[:count])
        return count


class _Observed(io.RawIOBase):
    """A raw file whose every block passes `observe`."""

    def __init__(self, raw: io.RawIOBase, observe: Observe) -> None:
        super().__init__()
        self._raw, self._observe = raw, observe

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        count = cast(io.FileIO, self._raw).readinto(buffer) or 0
        self._observe(memoryview(buffer)[:count])
        return count
