"""UCSC 2bit (genome.ucsc.edu/FAQ/FAQformat.html#format7), versions 0 and 1 (64-bit offsets), of either byte order.

A file holds a table of names and offsets, and for each sequence its length, the runs of N, the soft-masked runs, and
four bases a byte.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from corpus.scan.batch import Batch, BatchBuilder
from corpus.streams.compression import READ, Observe, ObservedFile, named_errors
from foundation.errors import InputError
from tokenizer.sequence import Ids

SIGNATURE = 0x1A412743

_BASES = np.frombuffer(b"TCAG", dtype=np.uint8)
_SHIFTS = np.array([6, 4, 2, 0], dtype=np.uint8)
_FOUR_BASES = _BASES[(np.arange(256, dtype=np.uint8)[:, None] >> _SHIFTS) & 3].view(np.uint32)[:, 0]
"""Bases of each byte, [256], four in a word as they follow one another in memory; the first is in the high bits."""

_N, _LOWER = ord("N"), 32


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A sequence of the table: its name, and where its record begins."""

    name: str
    offset: int


def read_twobit(
    path: Path, *, start: int = 0, stop: int | None = None, observe: Observe | None = None
) -> Iterator[Batch]:
    """The sequences `[start, stop)` of the table. Memory: about twice the longest.

    Errors: `InputError` with the sequence, after the batches of those before it.
    """
    builder = BatchBuilder()
    with named_errors(path), ObservedFile(path, observe) as raw:
        file = _File(path, raw)
        entries = _table(file)
        if not entries:
            raise InputError(
                "holds no sequence", where=path, fix="Leave it out, or check how it was made.", kind="no-record"
            )
        for entry in entries[start:stop]:
            try:
                sequence = _sequence(file, entry)
            except InputError:
                yield from builder.finish()
                raise
            yield from builder.add(entry.name, "", sequence.data)
    yield from builder.finish()


def read_table(path: Path) -> list[Entry]:
    """The table of sequences."""
    with named_errors(path), ObservedFile(path, None) as raw:
        return _table(_File(path, raw))


class _File:
    """Reads of known size, refused before anything is allocated for what the file does not hold."""

    def __init__(self, path: Path, raw: ObservedFile) -> None:
        self._path, self._raw = path, io.BufferedReader(raw, READ)
        self._size = os.fstat(raw.fileno()).st_size
        self._order = "<"
        signature = self.integers(1, "the signature")[0]
        if signature != SIGNATURE:
            self._order = ">"
            if int(signature).to_bytes(4, "little") != SIGNATURE.to_bytes(4, "big"):
                raise self.error("twobit-signature", "is not a 2bit file: its signature differs")

    def seek(self, offset: int, what: str) -> None:
        if offset > self._size:
            raise self.error("file-truncated", f"{what} would begin at byte {offset:,}, after the end")
        self._raw.seek(offset)

    def read(self, count: int, what: str) -> bytes:
        here = self._raw.tell()
        if count > self._size - here:
            problem = f"{what} would need {count:,} bytes from byte {here:,}; the file has {self._size:,}"
            raise self.error("file-truncated", problem)
        return self._raw.read(count)

    def integers(self, count: int, what: str, width: int = 4) -> npt.NDArray[np.int64]:
        return np.frombuffer(self.read(width * count, what), dtype=f"{self._order}u{width}").astype(np.int64)

    def error(self, kind: str, problem: str) -> InputError:
        return InputError(f"is damaged: {problem}", where=self._path, fix="Fetch or make it again.", kind=kind)


def _table(file: _File) -> list[Entry]:
    version, count, _ = file.integers(3, "the header").tolist()
    if version not in (0, 1):
        raise file.error("twobit-version", f"its version is {version}, not 0 or 1")
    entries = []
    for number in range(1, count + 1):
        what = f"entry {number:,} of {count:,} in its table"
        name = file.read(file.read(1, what)[0], what).decode("utf-8", "backslashreplace")
        offset = int(file.integers(1, what, 8 if version else 4)[0])
        if not name or offset < 0:
            raise file.error("twobit-table", f"{what} has no name or no offset")
        entries.append(Entry(name=name, offset=offset))
    return entries


def _sequence(file: _File, entry: Entry) -> Ids:
    what = f"sequence {entry.name!r}"
    file.seek(entry.offset, what)
    length = int(file.integers(1, what)[0])
    if length == 0:
        raise file.error("no-sequence", f"{what} is empty")
    unknown = _runs(file, length, f"{what}, its runs of N,")
    masked = _runs(file, length, f"{what}, its soft-masked runs,")
    file.integers(1, what)  # reserved
    packed = np.frombuffer(file.read((length + 3) // 4, what), dtype=np.uint8)
    bases = _unpack(packed, _FOUR_BASES).view(np.uint8)
    _apply(bases, *unknown, *masked)
    return bases[:length]


Runs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Starts and ends."""


def _runs(file: _File, length: int, what: str) -> Runs:
    count = int(file.integers(1, what)[0])
    starts, sizes = file.integers(count, what), file.integers(count, what)
    if (starts + sizes > length).any():
        raise file.error("twobit-runs", f"{what} go beyond its {length:,} bases")
    return starts, starts + sizes


@njit(cache=True, nogil=True)
def _unpack(packed: Ids, four_bases: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    words = np.empty(len(packed), dtype=np.uint32)
    for index in range(len(packed)):
        words[index] = four_bases[packed[index]]
    return words


@njit(cache=True, nogil=True)
def _apply(
    bases: Ids,
    unknown_starts: npt.NDArray[np.int64],
    unknown_ends: npt.NDArray[np.int64],
    masked_starts: npt.NDArray[np.int64],
    masked_ends: npt.NDArray[np.int64],
) -> None:
    for run in range(len(unknown_starts)):
        bases[unknown_starts[run] : unknown_ends[run]] = _N
    for run in range(len(masked_starts)):
        for index in range(masked_starts[run], masked_ends[run]):
            bases[index] |= _LOWER
