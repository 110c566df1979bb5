"""Packed samples: documents, and parts of such, laid into windows once, in a file beside the corpus.

    <split>.<seq_length>.pack, or <split>.<seq_length>.by<multiple>.pack where documents are padded to a multiple
    magic | seq_length u64 | tokens u64 | documents u64 | pieces u64 | windows u64 | digest 32 bytes | XXH3-128 16 bytes
    | pieces (start i64, labels i32) [pieces] | number of the first piece i64 [windows + 1]

`digest`: of the split that was packed, so that one which was changed is noticed; the checksum is of what follows it.
"""

import os
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from corpus.samples.packing import cut, pack
from corpus.samples.windows import Span, Stream, check_length
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.progress import progress_bar

MAGIC = b"DNAPACK2"
HEADER = struct.Struct("<8s5Q32s16s")
PIECE = np.dtype([("start", "<i8"), ("labels", "<i4")])

WINDOWS_AT_ONCE = 10_000
"""Number of windows whose neighbouring documents are packed together. They are then 99.97% full."""

_DOCUMENTS_AT_ONCE = 1 << 14
_REMEDY = "Remove it; the next run packs the split again."


def pack_path(corpus: Path, split: str, seq_length: int, multiple: int = 1) -> Path:
    """The file of the packing of a split."""
    return Path(corpus) / f"{split}.{seq_length}{f'.by{multiple}' if multiple > 1 else ''}.pack"


def ensure_packed(stream: Stream, path: Path, seq_length: int, digest: bytes, multiple: int = 1) -> None:
    """Write the packing of `stream` to `path`, with a progress bar, unless it is there, whole, of the same `digest`."""
    try:
        PackedWindows(stream, path, seq_length, digest, multiple).verify()
    except (InputError, FileNotFoundError):
        write_packing(stream, path, seq_length, digest, multiple)


def write_packing(stream: Stream, path: Path, seq_length: int, digest: bytes, multiple: int = 1) -> None:
    """Pack `stream` into windows of `seq_length` tokens and write it to `path`, whole or not at all.

    Each piece has room for a `multiple` of tokens, which divides `seq_length`. `digest`: 32 bytes that stand for the
    content of the split. Memory: that of one chunk, some 10 MB.
    """
    check_length("seq_length", seq_length)
    assert seq_length % multiple == 0, (seq_length, multiple)
    pieces = windows = 0
    with (
        atomic_file(path) as temporary,
        open(temporary, "wb") as file,
        tempfile.TemporaryFile(dir=path.parent) as firsts,
        progress_bar(f"pack {path.stem}", total=stream.tokens - stream.documents, unit="B") as advance,
    ):
        file.write(bytes(HEADER.size))
        for start, labels in _chunks(stream, seq_length):
            packing = pack(labels + -labels % multiple, seq_length)
            rows = np.empty(len(start), dtype=PIECE)
            rows["start"], rows["labels"] = start[packing.order], labels[packing.order]
            file.write(rows.data)
            firsts.write((packing.first[:-1] + pieces).astype("<i8").data)
            pieces += len(rows)
            windows += len(packing.first) - 1
            advance(int(labels.sum()))
        firsts.write(np.array([pieces], dtype="<i8").data)
        firsts.seek(0)
        shutil.copyfileobj(firsts, file, 1 << 20)
        file.flush()
        checksum = _checksum(temporary)
        file.seek(0)
        counts = (seq_length, stream.tokens, stream.documents, pieces, windows)
        file.write(HEADER.pack(MAGIC, *counts, _marked(digest, multiple), checksum))


class PackedWindows:
    """The windows of a packing that was written for `stream`. Reads by `pread`; opening reads the header alone.

    Errors: `InputError` for a file that is damaged, or of another split or length; `FileNotFoundError`.
    """

    packed = True

    def __init__(self, stream: Stream, path: Path, seq_length: int, digest: bytes, multiple: int = 1) -> None:
        self.stream, self.seq_length, self.multiple, self.path = stream, seq_length, multiple, Path(path)
        expected = (seq_length, stream.tokens, stream.documents, _marked(digest, multiple))
        self._pieces, self._windows = _read_header(self.path, expected)

    def __len__(self) -> int:
        return self._windows

    def verify(self) -> None:
        """Read all of the file and compare its checksum. Errors: `InputError`."""
        with open(self.path, "rb") as file:
            expected = HEADER.unpack(file.read(HEADER.size))[-1]
        if _checksum(self.path) != expected:
            raise InputError("is damaged", where=self.path, fix=_REMEDY, kind="packing-damaged")

    def spans(self, sample: int) -> Sequence[Span]:
        """The pieces of one window, in the order of the stream."""
        after = HEADER.size + PIECE.itemsize * self._pieces
        first, end = struct.unpack("<2q", self._read(16, after + 8 * sample))
        rows = self._read(PIECE.itemsize * (end - first), HEADER.size + PIECE.itemsize * first)
        return [(start, start + labels + 1) for start, labels in struct.iter_unpack("<qi", rows)]

    def _read(self, size: int, offset: int) -> bytes:
        data = os.pread(self._file, size, offset)
        if len(data) != size:
            raise InputError("is shorter than when it was opened", where=self.path, fix=_REMEDY, kind="file-shrank")
        return data

    @cached_property
    def _file(self) -> int:
        return os.open(self.path, os.O_RDONLY)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_file"}

    def __del__(self) -> None:
        if "_file" in self.__dict__:
            os.close(self._file)


def _read_header(path: Path, expected: tuple[int, int, int, bytes]) -> tuple[int, int]:
    """Numbers of pieces and windows."""
    with open(path, "rb") as file:
        header = file.read(HEADER.size)
    if len(header) < HEADER.size or not header.startswith(MAGIC):
        raise InputError("is not a packing", where=path, fix=_REMEDY, kind="not-a-packing")
    _, seq_length, tokens, documents, pieces, windows, digest, _ = HEADER.unpack(header)
    if (seq_length, tokens, documents, digest) != expected:
        raise InputError(
            "was packed for another split or sequence length", where=path, fix=_REMEDY, kind="packing-of-another"
        )
    if path.stat().st_size != HEADER.size + PIECE.itemsize * pieces + 8 * (windows + 1):
        raise InputError("is truncated", where=path, fix=_REMEDY, kind="packing-truncated")
    return pieces, windows


def _marked(digest: bytes, multiple: int) -> bytes:
    """`digest`, another one for each multiple but 1."""
    number = int.from_bytes(digest, "big") ^ (multiple - 1)
    return number.to_bytes(len(digest), "big")


def _checksum(path: Path) -> bytes:
    """Of what follows the header."""
    digest = xxhash.xxh3_128()
    with open(path, "rb") as file:
        file.seek(HEADER.size)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _chunks(stream: Stream, seq_length: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pieces of neighbouring documents, at least `WINDOWS_AT_ONCE` windows at a time."""
    waiting: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    labels = 0
    for first in range(0, stream.documents, _DOCUMENTS_AT_ONCE):
        last = min(first + _DOCUMENTS_AT_ONCE, stream.documents)
        waiting.append(cut(stream.starts(first, last), seq_length))
        labels += int(waiting[-1][1].sum())
        if labels >= WINDOWS_AT_ONCE * seq_length or last == stream.documents:
            start, length = (np.concatenate(arrays) for arrays in zip(*waiting, strict=True))
            yield start, length
            waiting, labels = [], 0
