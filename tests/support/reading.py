"""What the tests of the readers share: batches taken apart, and files of the formats that no library here writes."""

import sqlite3
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from corpus.readers.formats import Slice, detect_format, read_slice
from corpus.scan.batch import Batch

Row = tuple[str, str, bytes]
"""Name, description and sequence."""


def rows(batches: Iterable[Batch]) -> list[Row]:
    """The records of `batches`, which are checked to be as `corpus.scan.batch` promises."""
    found: list[Row] = []
    for batch in batches:
        assert batch.first == len(found) + 1
        assert len(batch) > 0
        assert len(batch.names) == len(batch.descriptions) == len(batch.bounds) - 1
        assert (batch.tokens.dtype, batch.bounds.dtype) == (np.uint8, np.int64)
        assert (int(batch.bounds[0]), int(batch.bounds[-1])) == (0, len(batch.tokens))
        assert (np.diff(batch.bounds) > 1).all()
        assert (batch.tokens[batch.bounds[1:] - 1] == 0).all()
        sequences = [batch.sequence(record).tobytes() for record in range(len(batch))]
        found += zip(batch.names, batch.descriptions, sequences, strict=True)
    return found


def read(path: Path, *, field: str | None = None, markup: bool = False) -> list[Row]:
    """The records of `path`, in whatever format it is."""
    whole = Slice(path=path, format=detect_format(path), start=0, stop=None)
    return rows(read_slice(whole, field=field, markup=markup))


def write_eden(path: Path, sequences: Sequence[tuple[object, object]], schema: str = "") -> None:
    """A ShardedEden database, as bionemo-recipes' eden data module lays it out."""
    connection = sqlite3.connect(path)
    connection.execute(schema or "CREATE TABLE sequences (contig_id TEXT PRIMARY KEY, nt_sequence TEXT NOT NULL)")
    connection.executemany("INSERT INTO sequences VALUES (?, ?)", sequences)
    connection.commit()
    connection.close()


def megatron_index(sequences: Sequence[int], marks: Sequence[int] = (), *, code: int = 1, size: int = 1) -> bytes:
    """The `.idx` of sequences of so many tokens, from Megatron's layout; each is a document unless `marks` differ."""
    starts = [sum(sequences[:number]) * size for number in range(len(sequences))]
    marks = marks or range(len(sequences) + 1)
    head = b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, code, len(sequences), len(marks))
    return head + struct.pack(f"<{len(starts)}i{len(starts)}q{len(marks)}q", *sequences, *starts, *marks)


def twobit(sequences: Sequence[tuple[str, bytes]], *, order: str = "<", version: int = 0) -> bytes:
    """A 2bit file of `sequences` (ACGTN, both cases), written from UCSC's specification of the format."""
    width = "Q" if version else "I"
    table = sum(1 + len(name.encode()) + struct.calcsize(width) for name, _ in sequences)
    index, records = b"", b""
    for name, sequence in sequences:
        offset = 16 + table + len(records)
        index += bytes([len(name.encode())]) + name.encode() + struct.pack(order + width, offset)
        records += _twobit_record(sequence, order)
    return struct.pack(order + "4I", 0x1A412743, version, len(sequences), 0) + index + records


def _twobit_record(sequence: bytes, order: str) -> bytes:
    record = struct.pack(order + "I", len(sequence))
    for runs in (_runs([letter in b"Nn" for letter in sequence]), _runs([letter >= 97 for letter in sequence])):
        record += struct.pack(order + "I", len(runs))
        record += b"".join(struct.pack(order + "I", start) for start, _ in runs)
        record += b"".join(struct.pack(order + "I", size) for _, size in runs)
    record += struct.pack(order + "I", 0)
    codes = ["TCAG".index(chr(letter).upper().replace("N", "T")) for letter in sequence]
    codes += [0] * (-len(codes) % 4)
    return record + bytes(a << 6 | b << 4 | c << 2 | d for a, b, c, d in zip(*[iter(codes)] * 4, strict=True))


def _runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """Start and size of each run of true ones."""
    starts = [i for i, flag in enumerate(flags) if flag and (i == 0 or not flags[i - 1])]
    ends = [i + 1 for i, flag in enumerate(flags) if flag and (i + 1 == len(flags) or not flags[i + 1])]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]
