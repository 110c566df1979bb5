"""Files of labelled sequences, an entry per row: CSV, TSV, Parquet, FASTA, BED with a bigWig, and folders with one
sequence per file.

CSV, TSV and FASTA may be compressed with gzip or zstd.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.labelled.signal import Signal, is_bed, read_signal
from foundation.errors import InputError
from foundation.untrusted import read_text

LIMIT = 1 << 30
"""Bytes of a file, decompressed."""

FASTA = (".fa", ".fna", ".fasta", ".ffn")
DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
SUFFIXES = (*DELIMITERS, *FASTA, ".parquet")
_OTHERS = "name the columns to read (head.sequence and head.labels of a run, sequence of a prediction)"
_FIX = f"Give a file that ends in {', '.join(SUFFIXES)}, or a directory with train and test in it."


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names of the column that has the sequence, and of those that are wanted beside it.

    `signal`: where the values of the regions of a BED file are, which has no such columns.
    """

    sequence: str = "sequence"
    values: tuple[str, ...] = ("label",)
    signal: Signal | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, the sequence first."""
        return (self.sequence, *self.values)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row: its sequence and what is in the other columns, in their order. `where`: file and line, row or record."""

    sequence: str
    values: tuple[Any, ...]
    where: str
    name: str = ""


def read_entries(path: Path, columns: Columns) -> Iterator[Entry]:
    """The rows of a file, whose format its name tells. Errors: `InputError` naming the file, and the row."""
    if not path.is_file():
        raise InputError("no such file", where=path, fix="Check the path.", kind="missing-file")
    if is_bed(path) != (columns.signal is not None):
        fix = "Regions in a .bed file need a genome and a bigWig (head.genome, head.bigwig); other files have labels."
        problem = "has regions without labels" if is_bed(path) else "is not a BED file, but a bigWig is given"
        raise InputError(problem, where=path, fix=fix, kind="bigwig-option")
    if columns.signal is not None:
        for region, sequence, values in read_signal(path, columns.signal):
            yield Entry(sequence=sequence, values=(values,), where=f"{path}, region {region.name!r}", name=region.name)
        return
    suffix = next((one for one in reversed(path.suffixes) if one in SUFFIXES), "")
    if suffix in DELIMITERS:
        yield from read_delimited(path, columns, delimiter=DELIMITERS[suffix])
    elif suffix == ".parquet":
        yield from read_parquet(path, columns)
    elif suffix in FASTA:
        yield from read_labelled_fasta(path, columns)
    else:
        raise InputError("has no known format", where=path, fix=_FIX, kind="table-suffix")


def read_delimited(path: Path, columns: Columns, *, delimiter: str = ",") -> Iterator[Entry]:
    """The rows of a CSV or TSV file, whose first line names its columns."""
    csv.field_size_limit(LIMIT)  # its own limit is 128 KiB
    text = _text(path).removeprefix("\ufeff")  # Excel's byte-order mark
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(lines, [])]
        places = [_place(names, wanted, columns, path) for wanted in columns.names]
        first = lines.line_num
        for row in lines:
            line, first = f"{path}, line {first + 1}", lines.line_num
            if row and len(row) != len(names):
                problem = f"has {len(row)} columns, the first line has {len(names)}"
                raise InputError(problem, where=line, fix="Repair the row.", kind="csv-columns")
            if row:
                sequence, *values = (row[place] for place in places)
                yield Entry(sequence=sequence, values=tuple(values), where=line)
    except csv.Error as error:
        where = f"{path}, line {lines.line_num}"
        raise InputError(f"is not CSV: {error}", where=where, fix=_FIX, kind="not-csv") from None


def read_parquet(path: Path, columns: Columns) -> Iterator[Entry]:
    """The rows of a Parquet file."""
    from pyarrow import ArrowException, parquet

    names = list(columns.names)
    try:
        table = parquet.read_table(path, columns=names, use_threads=False).to_pydict()
    except (ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", where=path, fix=_FIX, kind="not-parquet") from error
    if lacking := [name for name in names if name not in table]:
        fix = f"Give it, or {_OTHERS}."
        raise InputError(f"lacks the column {lacking[0]}", where=path, fix=fix, kind="csv-columns")
    for number, row in enumerate(zip(*(table[name] for name in names), strict=True), start=1):
        sequence, *values = row
        where = f"{path}, row {number}"
        if not isinstance(sequence, str):
            raise InputError("has a sequence that is not text", where=where, fix="Leave it out.", kind="not-dna")
        yield Entry(sequence=sequence, values=tuple(values), where=where)


def read_labelled_fasta(path: Path, columns: Columns) -> Iterator[Entry]:
    """The records of a FASTA file with headers `>name label=1 split=train`, or `>name|1` where one column is wanted."""
    from corpus.readers.fasta import read_fasta

    for number, record in enumerate(read_fasta(path), start=1):
        header, where = f"{record.name} {record.description}".strip(), f"{path}, record {number}"
        values = tuple(_from_header(header, name, columns, where) for name in columns.values)
        yield Entry(sequence=record.sequence.decode(), values=values, where=where, name=record.name)


def read_folders(path: Path, columns: Columns) -> Iterator[Entry]:
    """The files `CLASS/*.txt` of a folder, each with one sequence, whose only value is the class."""
    for file in sorted(path.glob("*/*.txt")):
        if not file.parent.name.startswith("."):
            yield Entry(sequence=read_text(file, limit=LIMIT), values=(file.parent.name,), where=str(file))


def _text(path: Path) -> str:
    """The text of a file, decompressed where it is compressed. Errors: `InputError`."""
    from corpus.streams.compression import open_source

    with open_source(path) as stream:
        data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise InputError(f"has more than {LIMIT:,} bytes", where=path, fix="Write it as Parquet.", kind="too-large")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 text ({error.reason} at byte {error.start:,})"
        raise InputError(problem, where=path, fix="Save it as UTF-8.", kind="not-text") from None


def _place(names: Sequence[str], wanted: str, columns: Columns, path: Path) -> int:
    """Where the column `wanted` is. Errors: `InputError` unless there is one of it."""
    if names.count(wanted) != 1:
        problem = f"has the column {wanted} twice" if names.count(wanted) else f"lacks the column {wanted}"
        there = ", ".join(map(repr, names))[:200]
        fix = f"Give the columns {', '.join(columns.names)}, or {_OTHERS}."
        raise InputError(f"{problem}; its columns are {there}", where=path, fix=fix, kind="csv-columns")
    return names.index(wanted)


def _from_header(header: str, name: str, columns: Columns, where: str) -> str:
    if found := re.search(rf"(?:^|[\s|;]){re.escape(name)}=(\S+)", header):
        return found[1]
    if len(columns.values) == 1 and "|" in header:
        return header.rpartition("|")[2]
    problem = f"the header {header[:80]!r} has no {name}"
    fix = f"Write {name}=VALUE into it, or a single label last, after a |."
    raise InputError(problem, where=where, fix=fix, kind="label-missing")
