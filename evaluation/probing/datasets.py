"""Labelled sequences as they are published: GUE, the Nucleotide Transformer's tasks, Genomic Benchmarks.

| layout | files of a task's directory |
| --- | --- |
| GUE | train.csv, dev.csv (joined to train), test.csv with the columns sequence and label |
| Nucleotide Transformer | train.fna, test.fna with headers `>name|label`; or train*.parquet, test*.parquet |
| Genomic Benchmarks | train/CLASS/*.txt, test/CLASS/*.txt, one sequence a file |
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import InputError
from foundation.untrusted import read_text
from tokenizer.sequence import Ids, encode, not_nucleotides

Labelled = tuple[str, str]
"""A sequence and its label."""

Reader = Callable[[Path], Iterator[Labelled]]

MIN_TRAIN = 2
"""Training sequences of a class: one to fit, one to validate."""

_LIMIT = 1 << 30
"""Bytes of a file of a task."""

_FIX = "Give a directory with train and test as .csv, .fna or .parquet files, or as a folder of folders of .txt files."


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task: sequences and classes, numbered in the order of `classes`."""

    name: str
    classes: tuple[str, ...]
    train: tuple[tuple[Ids, int], ...]
    test: tuple[tuple[Ids, int], ...]


def read_task(directory: Path) -> Task:
    """Read one task, whatever its layout.

    Errors: `InputError` naming the file for what is no such directory, or has too few of a class to probe.
    """
    if not directory.is_dir():
        raise InputError("no such directory", where=directory, fix=_FIX)
    train = [*_part(directory, "train"), *_part(directory, "dev")]
    test = list(_part(directory, "test"))
    for name, part in (("train", train), ("test", test)):
        if not part:
            raise InputError(f"has no {name} sequences", where=directory, fix=_FIX)
    classes = tuple(sorted({label for _, label in train}))
    if len(classes) < 2:
        raise InputError(f"has one class only, {classes[0]!r}", where=directory, fix=_FIX)
    if strange := {label for _, label in test} - set(classes):
        raise InputError(f"the test has a class that train lacks: {min(strange)!r}", where=directory, fix=_FIX)
    number = {label: index for index, label in enumerate(classes)}

    def encoded(part: list[Labelled]) -> tuple[tuple[Ids, int], ...]:
        return tuple((_ids(sequence, directory), number[label]) for sequence, label in part)

    task = Task(name=directory.name, classes=classes, train=encoded(train), test=encoded(test))
    _check_counts(directory, train, test)
    return task


def _check_counts(directory: Path, train: list[Labelled], test: list[Labelled]) -> None:
    """Cross-validation needs two training sequences of each class, and a measure two classes to tell apart."""
    counts = Counter(label for _, label in train)
    if rare := [label for label in sorted(counts) if counts[label] < MIN_TRAIN]:
        shown = ", ".join(map(repr, rare[:5])) + (f" and {len(rare) - 5:,} more" if len(rare) > 5 else "")
        problem = f"fewer than {MIN_TRAIN} training sequences of class {shown}: cross-validation needs them"
        raise InputError(problem, where=_names(directory, "train", "dev"), fix="Add some, or leave the class out.")
    if len(present := {label for _, label in test}) < 2:
        problem = f"all {len(test):,} are of class {min(present)!r}: there is nothing to tell apart"
        raise InputError(problem, where=_names(directory, "test"), fix="Add sequences of another class.")


def _names(directory: Path, *parts: str) -> str:
    return ", ".join(str(path) for part in parts for path, _ in _files(directory, part))


def _ids(sequence: str, directory: Path) -> Ids:
    data = sequence.strip().encode("utf-8", "replace")
    if not data or not_nucleotides(data):
        raise InputError(f"has a sequence that is no DNA: {sequence[:30]!r}", where=directory, fix="Leave it out.")
    return encode(data)


def _part(directory: Path, part: str) -> Iterator[Labelled]:
    for path, read in _files(directory, part):
        yield from read(path)


def _files(directory: Path, part: str) -> Iterator[tuple[Path, Reader]]:
    for pattern, read in _READERS.items():
        for path in sorted(directory.glob(pattern.format(part))):
            yield path, read


def _csv(path: Path) -> Iterator[Labelled]:
    csv.field_size_limit(_LIMIT)  # its own limit is 128 KiB
    rows = csv.DictReader(io.StringIO(read_text(path, limit=_LIMIT), newline=""))
    try:
        if not {"sequence", "label"} <= set(rows.fieldnames or ()):
            raise InputError("lacks the columns sequence and label", where=path, fix=_FIX)
        for row in rows:
            if row["sequence"] is None or row["label"] is None:
                raise InputError("has fewer columns than the first line", where=f"{path}, line {rows.line_num}")
            yield row["sequence"], row["label"]
    except csv.Error as error:
        raise InputError(f"is no CSV: {error}", where=f"{path}, line {rows.line_num}", fix=_FIX) from None


def _fasta(path: Path) -> Iterator[Labelled]:
    from corpus.readers.fasta import read_fasta

    for record in read_fasta(path):
        header = f"{record.name} {record.description}".strip()
        if "|" not in header:
            problem = f"the header {header!r} has no label"
            raise InputError(problem, where=path, fix="The label comes last, after a |.")
        yield record.sequence.decode(), header.rpartition("|")[2].strip()


def _parquet(path: Path) -> Iterator[Labelled]:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path, columns=["sequence", "label"], use_threads=False).to_pydict()
    except (ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", where=path, fix=_FIX) from error
    if set(table) != {"sequence", "label"}:
        raise InputError("lacks the columns sequence and label", where=path, fix=_FIX)
    yield from zip(table["sequence"], map(str, table["label"]), strict=True)


def _folders(path: Path) -> Iterator[Labelled]:
    for file in sorted(path.glob("*/*.txt")):
        yield read_text(file, limit=_LIMIT), file.parent.name


_READERS: dict[str, Reader] = {
    "{}.csv": _csv,
    "{}.f*a": _fasta,
    "{}*.parquet": _parquet,
    "{}": lambda path: _folders(path) if path.is_dir() else iter(()),
}
