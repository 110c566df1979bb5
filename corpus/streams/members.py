"""Decompression of a stream of gzip members or zstd frames, one after the other, with nothing missing at the end.

The libraries' own file readers are not used: `gzip` and `isal` know no offset of an error, and `zstandard` ends a
truncated frame without one.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import zstandard
from isal import igzip_lib, isal_zlib

from foundation.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE = 1 << 16
"""Stored bytes decompressed at a time. A decoder takes no limit on what comes out, so a bomb is as large as this
allows: 64 MiB of gzip, 2 GiB of zstd."""

_LONGEST_WINDOW = 1 << 31
"""Bytes; what `zstd --long=31` makes."""


class Decoder(Protocol):
    """What `zlib.decompressobj` started."""

    def decompress(self, data: bytes, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class Codec:
    """A compression: how a member begins, what decodes one, and what that raises.

    `padding`: what may follow the last member; tapes pad gzip files with zeros.
    """

    member: str
    magics: tuple[bytes, ...]
    decoder: Callable[[], Decoder]
    error: type[Exception]
    padding: bytes

    def starts(self, data: bytes) -> bool:
        """Whether `data` begins with a member."""
        return data.startswith(self.magics)


CODECS = (
    Codec(
        member="gzip member",
        magics=(b"\x1f\x8b",),
        decoder=lambda: isal_zlib.decompressobj(wbits=31),
        error=cast(type[Exception], igzip_lib.IsalError),
        padding=b"\0",
    ),
    Codec(
        member="zstd frame",
        magics=(b"\x28\xb5\x2f\xfd", *(bytes([nibble]) + b"\x2a\x4d\x18" for nibble in range(0x50, 0x60))),
        decoder=lambda: zstandard.ZstdDecompressor(max_window_size=_LONGEST_WINDOW).decompressobj(),
        error=zstandard.ZstdError,
        padding=b"",
    ),
)


class MemberStream(io.RawIOBase):
    """The decompressed bytes of `stored`.

    `end`: what the stored bytes must end with. `whole=False`: no error where they stop within a member.
    Errors: `InputError` with the offset in `path`.
    """

    def __init__(self, path: Path, stored: BinaryIO, codec: Codec, *, end: bytes = b"", whole: bool = True) -> None:
        super().__init__()
        self._path, self._stored, self._codec, self._whole = path, stored, codec, whole
        self._end, self._tail = end, b""
        self._decoder: Decoder | None = None
        self._member = 0  # offset of the member that is decoded
        self._position = 0  # offset of what is decoded next
        self._unused = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        while not self._ready:
            if not self._decode():
                return 0
        count = min(len(target), len(self._ready))
        target[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _decode(self) -> bool:
        """Decode one more piece; False at the end of the file."""
        piece = self._unused or self._next_piece()
        self._unused = b""
        if not piece:
            self._check_end()
            return False
        if self._decoder is None and not (piece := self._start_member(piece)):
            return True
        assert self._decoder is not None
        try:
            self._ready = memoryview(self._decoder.decompress(piece))
        except self._codec.error as error:
            raise self._corrupt(f"cannot be decoded near byte {self._position:,}: {error}") from None
        if self._decoder.eof:
            self._unused, self._decoder = self._decoder.unused_data, None
        self._position += len(piece) - len(self._unused)
        return True

    def _next_piece(self) -> bytes:
        piece = self._stored.read(PIECE)
        self._tail = (self._tail + piece[-len(self._end) :])[-len(self._end) :] if self._end else b""
        return piece

    def _start_member(self, piece: bytes) -> bytes:
        """What of `piece` is of the member that begins there; nothing where it is padding."""
        padded = len(piece)
        if self._codec.padding and self._position:
            piece = piece.lstrip(self._codec.padding)
            self._position += padded - len(piece)
        if 0 < len(piece) < 4:
            piece += self._next_piece()
        self._member = self._position
        if piece and not self._codec.starts(piece):
            raise self._corrupt(f"is expected there and is none: {piece[:4]!r}")
        if piece:
            self._decoder = self._codec.decoder()
        return piece

    def _check_end(self) -> None:
        if not self._whole:
            return
        if self._decoder is not None:
            problem = f"is truncated: the {self._codec.member} at byte {self._member:,} does not end"
            raise self._damaged("compression-truncated", f"{problem} within the {self._position:,} bytes of the file")
        if self._tail != self._end:
            raise self._damaged(
                "compression-truncated", f"is truncated: the end block is missing after byte {self._position:,}"
            )

    def _corrupt(self, how: str) -> InputError:
        return self._damaged(
            "compression-corrupt", f"is corrupt: the {self._codec.member} at byte {self._member:,} {how}"
        )

    def _damaged(self, kind: str, problem: str) -> InputError:
        return InputError(problem, where=self._path, fix="Fetch or compress it again.", kind=kind)
