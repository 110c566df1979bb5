"""The names of a shard's documents: `<prefix>.names`, zstd over one line of text per document.

A line has the name of the record. A document that is a segment of its record has a tab, and where it begins in it,
counted from 0. A backslash, a tab and a line end of a name are written as in Python.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError

SUFFIX = ".names"
_ESCAPED = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}
_PLAIN = {escaped: plain for plain, escaped in _ESCAPED.items()}
_STRANGE = re.compile(r"[\\\t\n]")


@dataclass(frozen=True, kw_only=True)
class DocumentName:
    """The `record` that a document is of; `start`: where in it a segment begins, None of a whole record."""

    record: str
    start: int | None = None

    def shown(self, bases: int) -> str:
        """As samtools writes a region of so many `bases`, from 1: chr1:100001-200000; a whole record by its name."""
        return self.record if self.start is None else f"{self.record}:{self.start + 1}-{self.start + bases}"


def names_path(prefix: Path) -> Path:
    """The names of `prefix`."""
    return prefix.with_name(prefix.name + SUFFIX)


def record_lines(records: Sequence[str]) -> list[str]:
    """The lines of whole records, without their ends."""
    if not _STRANGE.search("".join(records)):
        return list(records)
    return [_STRANGE.sub(lambda found: _ESCAPED[found[0]], record) for record in records]


def segment_lines(records: Sequence[str], record: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> list[str]:
    """The lines of segments, of `record` and beginning at `starts`, [segments]; `records` are the lines of all."""
    alone = np.bincount(record, minlength=len(records))[record] == 1
    return [
        records[number] if whole else f"{records[number]}\t{start}"
        for number, start, whole in zip(record.tolist(), starts.tolist(), alone.tolist(), strict=True)
    ]


class NameWriter:
    """Writes the names of a shard, as lines."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self._path, self.documents = path, 0
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115 (closed in `close`)
        self._compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()

    def add(self, lines: Sequence[str]) -> None:
        """Append lines without their ends."""
        if lines:
            self._file.write(self._compressor.compress(("\n".join(lines) + "\n").encode()))
            self.documents += len(lines)

    def close(self) -> None:
        """All names are there."""
        self._file.write(self._compressor.flush())
        self._file.close()

    def remove(self) -> None:
        """They are not kept."""
        self._file.close()
        self._path.unlink()


def read_lines(path: Path, documents: int) -> Iterator[str]:
    """The lines of a file, of so many documents. Errors: `InputError` for a file that is missing or damaged."""
    import zstandard

    number = 0
    try:
        with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
            for number, line in enumerate(text, start=1):  # noqa: B007
                yield line.removesuffix("\n")
    except FileNotFoundError:
        fix = "Copy the corpus again."
        raise InputError("does not exist", where=path, fix=fix, kind="missing-file") from None
    except (zstandard.ZstdError, UnicodeDecodeError):
        raise _damaged(path) from None
    if number != documents:
        raise _damaged(path)


def read_names(path: Path, documents: int) -> Iterator[DocumentName]:
    """The names in a file, of so many documents. Errors: `InputError` for a file that is missing or damaged."""
    for line in read_lines(path, documents):
        name, tab, start = line.partition("\t")
        if tab and not start.isdecimal():
            raise _damaged(path)
        plain = re.sub(r"\\.", lambda found: _PLAIN.get(found[0], found[0]), name) if "\\" in name else name
        yield DocumentName(record=plain, start=int(start) if tab else None)


def _damaged(path: Path) -> InputError:
    return InputError("has other names than documents", where=path, fix="Copy the corpus again.", kind="names-damaged")
