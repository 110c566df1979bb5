"""Labelled sequences as they are published: GUE, the Nucleotide Transformer's tasks, Genomic Benchmarks.

| layout | files of a task's directory |
| --- | --- |
| GUE | train.csv, dev.csv (joined to train), test.csv with the columns sequence and label |
| Nucleotide Transformer | train.fna, test.fna with headers `>name|label`; or train*.parquet, test*.parquet |
| Genomic Benchmarks | train/CLASS/*.txt, test/CLASS/*.txt, one sequence a file |

A part is read from one of these; where there are two, nothing tells whether they are the same sequences.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.probing.labels import ClassCount, Row, check_spellings, count_classes, read_label
from evaluation.rna import AsDna
from foundation.errors import InputError
from foundation.terminal import warn
from foundation.untrusted import read_text
from tokenizer.sequence import Ids, encode, not_nucleotides

Reader = Callable[[Path], Iterator[Row]]

MIN_TRAIN = 2
"""Training sequences of a class: one to fit, one to validate."""

_LIMIT = 1 << 30
"""Bytes of a file of a task."""

_PARTS = ("train", "dev", "test")
_SUFFIXES = (".csv", ".tsv", ".fa", ".fna", ".fasta", ".parquet", ".gz")
_COLUMNS = ("sequence", "label")
_SHARD = re.compile(r"-\d+(?:-of-(\d+))?\.parquet")  # after the name of the part
_FIX = "Give a directory with train and test as .csv, .fna or .parquet files, or as a folder of folders of .txt files."


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task: sequences and classes, numbered in the order of `counts`. `shared`: test sequences that train has."""

    name: str
    counts: tuple[ClassCount, ...]
    shared: int
    train: tuple[tuple[Ids, int], ...]
    test: tuple[tuple[Ids, int], ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(one.name for one in self.counts)


def read_task(directory: Path) -> Task:
    """Read one task, whatever its layout. U of RNA is read as T; files that are not read are named.

    Errors: `InputError` naming the file, and the row where there is one, for what is no such directory, has a doubtful
    label, or has too few of a class to probe.
    """
    if not directory.is_dir():
        raise InputError("no such directory", where=directory, fix=_FIX, kind="no-directory")
    train, test = [*_part(directory, "train"), *_part(directory, "dev")], list(_part(directory, "test"))
    for name, part in (("train", train), ("test", test)):
        if not part:
            raise InputError(f"has no {name} sequences", where=directory, fix=_FIX, kind="no-sequences")
    check_spellings([*train, *test])
    counts = count_classes(train, test)
    _check_classes(directory, counts, test)
    number = {one.name: index for index, one in enumerate(counts)}
    as_dna = AsDna(directory)

    def encoded(part: Sequence[Row]) -> tuple[tuple[Ids, int], ...]:
        return tuple((as_dna(_ids(row), row.where), number[row.label]) for row in part)

    _say_unread(directory)
    return _task(directory.name, counts, encoded(train), encoded(test))


def _task(
    name: str, counts: tuple[ClassCount, ...], train: tuple[tuple[Ids, int], ...], test: tuple[tuple[Ids, int], ...]
) -> Task:
    learnt = {ids.tobytes().upper() for ids, _ in train}
    shared = sum(ids.tobytes().upper() in learnt for ids, _ in test)
    return Task(name=name, counts=counts, shared=shared, train=train, test=test)


def _check_classes(directory: Path, counts: Sequence[ClassCount], test: Sequence[Row]) -> None:
    """Cross-validation needs two training sequences of each class, and a measure two classes to tell apart."""
    if len(counts) < 2:
        raise InputError(f"has one class only, {counts[0].name!r}", where=directory, fix=_FIX, kind="one-class")
    names = {one.name for one in counts}
    if foreign := next((row for row in test if row.label not in names), None):
        known = ", ".join(sorted(names)[:10])
        problem = f"the class {foreign.label!r} is not in train, which has {known}"
        raise InputError(problem, where=foreign.where, fix="Spell a class in one way.", kind="test-class")
    if rare := [one.name for one in counts if one.train < MIN_TRAIN]:
        shown = ", ".join(map(repr, rare[:5])) + (f" and {len(rare) - 5:,} more" if len(rare) > 5 else "")
        problem = f"fewer than {MIN_TRAIN} training sequences of class {shown}: cross-validation needs them"
        where = _names(directory, "train", "dev")
        raise InputError(problem, where=where, fix="Add some, or leave the class out.", kind="rare-class")
    if len(present := {row.label for row in test}) < 2:
        problem = f"all {len(test):,} are of class {min(present)!r}: there is nothing to tell apart"
        where = _names(directory, "test")
        raise InputError(problem, where=where, fix="Add sequences of another class.", kind="one-class")


def _say_unread(directory: Path) -> None:
    """Name what looks like data of another part, such as validation.csv."""
    read = {path for part in _PARTS for path, _ in _files(directory, part)}
    others = [path.name for path in sorted(directory.iterdir()) if path.suffix in _SUFFIXES and path not in read]
    if others:
        warn(f"{directory}: not read: {', '.join(others[:5])}; the parts are {', '.join(_PARTS)}")


def _names(directory: Path, *parts: str) -> str:
    return ", ".join(str(path) for part in parts for path, _ in _files(directory, part))


def _ids(row: Row) -> Ids:
    data = row.sequence.strip().encode("utf-8", "replace")
    if not data or not_nucleotides(data):
        problem = f"has a sequence that is not DNA: {row.sequence[:30]!r}" if data else "has no sequence"
        raise InputError(problem, where=row.where, fix="Leave it out.", kind="not-dna")
    return encode(data)


def _part(directory: Path, part: str) -> Iterator[Row]:
    files = _files(directory, part)
    shards = [_SHARD.fullmatch(path.name.removeprefix(part)) for path, _ in files]
    names = " and ".join(path.name for path, _ in files[:5])
    if len(files) > 1 and not all(shards):
        problem = f"has {part} more than once: {names}"
        raise InputError(problem, where=directory, fix="Keep one of them.", kind="part-twice")
    if any(shard and shard[1] and int(shard[1]) != len(files) for shard in shards):
        raise InputError(f"has not all shards of {part}: {names}", where=directory, fix=_FIX, kind="part-missing")
    for path, read in files:
        yield from read(path)


def _files(directory: Path, part: str) -> list[tuple[Path, Reader]]:
    found = [
        (path, read) for pattern, read in _READERS.items() for path in sorted(directory.glob(pattern.format(part)))
    ]
    return [(path, read) for path, read in found if path.is_dir() == (read is _folders)]


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(_LIMIT)  # its own limit is 128 KiB
    text = read_text(path, limit=_LIMIT).removeprefix("\ufeff")  # Excel's byte-order mark
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        names = [name.strip() for name in next(lines, [])]
        places = _columns(names, path)
        first = lines.line_num
        for row in lines:
            line, first = f"{path}, line {first + 1}", lines.line_num
            if row and len(row) != len(names):
                problem = f"has {len(row)} columns, the first line has {len(names)}"
                raise InputError(problem, where=line, fix="Repair the row.", kind="csv-columns")
            if row:
                yield Row(sequence=row[places[0]], label=read_label(row[places[1]], line), where=line)
    except csv.Error as error:
        where = f"{path}, line {lines.line_num}"
        raise InputError(f"is not CSV: {error}", where=where, fix=_FIX, kind="not-csv") from None


def _columns(names: Sequence[str], path: Path) -> tuple[int, int]:
    """Where the sequence and the label are. Errors: `InputError` unless there is one of each."""
    for wanted in _COLUMNS:
        if names.count(wanted) != 1:
            problem = f"has the column {wanted} twice" if names.count(wanted) else f"lacks the column {wanted}"
            there = ", ".join(map(repr, names))[:200]
            fix = "Give the columns sequence and label, separated by commas."
            raise InputError(f"{problem}; its columns are {there}", where=path, fix=fix, kind="csv-columns")
    return names.index(_COLUMNS[0]), names.index(_COLUMNS[1])


def _fasta(path: Path) -> Iterator[Row]:
    from corpus.readers.fasta import read_fasta

    for number, record in enumerate(read_fasta(path), start=1):
        header, where = f"{record.name} {record.description}".strip(), f"{path}, record {number}"
        if "|" not in header:
            problem = f"the header {header!r} has no label"
            raise InputError(problem, where=where, fix="The label comes last, after a |.", kind="label-missing")
        label = read_label(header.rpartition("|")[2], where)
        yield Row(sequence=record.sequence.decode(), label=label, where=where)


def _parquet(path: Path) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path, columns=list(_COLUMNS), use_threads=False).to_pydict()
    except (ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", where=path, fix=_FIX, kind="not-parquet") from error
    if set(table) != set(_COLUMNS):
        raise InputError("lacks the columns sequence and label", where=path, fix=_FIX, kind="csv-columns")
    for number, (sequence, label) in enumerate(zip(table["sequence"], table["label"], strict=True), start=1):
        where = f"{path}, row {number}"
        if not isinstance(sequence, str):
            raise InputError("has a sequence that is not text", where=where, fix="Leave it out.", kind="not-dna")
        yield Row(sequence=sequence, label=read_label(label, where), where=where)


def _folders(path: Path) -> Iterator[Row]:
    for file in sorted(path.glob("*/*.txt")):
        if not file.parent.name.startswith("."):
            yield Row(
                sequence=read_text(file, limit=_LIMIT), label=read_label(file.parent.name, str(file)), where=str(file)
            )


_READERS: dict[str, Reader] = {
    "{}.csv": _csv,
    "{}.f*a": _fasta,
    "{}*.parquet": _parquet,
    "{}": _folders,
}
