"""A task to probe: labelled sequences in one of the published layouts (`evaluation.labelled.layout`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.labelled.labels import ClassCount, Row, check_spellings, count_classes, read_label
from evaluation.labelled.layout import FIX, part_files, read_part, warn_unread
from evaluation.labelled.readers import Columns
from evaluation.rna import AsDna
from foundation.errors import InputError
from tokenizer.sequence import Ids, encode, not_nucleotides

MIN_TRAIN = 2
"""Training sequences of a class: one to fit, one to validate."""


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

    Errors: `InputError` naming the file, and the row where there is one, for a missing directory, has a doubtful
    label, or has too few of a class to probe.
    """
    if not directory.is_dir():
        raise InputError("no such directory", where=directory, fix=FIX, kind="no-directory")
    train, test = [*_part(directory, "train"), *_part(directory, "dev")], list(_part(directory, "test"))
    task = make_task(directory.name, train, test, source=directory)
    warn_unread(directory)
    return task


def make_task(name: str, train: Sequence[Row], test: Sequence[Row], *, source: Path) -> Task:
    """A task of rows that were read from `source`. Errors: `InputError`, as for `read_task`."""
    for part, rows in (("train", train), ("test", test)):
        if not rows:
            raise InputError(f"has no {part} sequences", where=source, fix=FIX, kind="no-sequences")
    check_spellings([*train, *test])
    counts = count_classes(train, test)
    _check_classes(source, counts, test)
    number = {one.name: index for index, one in enumerate(counts)}
    as_dna = AsDna(source)

    def encoded(part: Sequence[Row]) -> tuple[tuple[Ids, int], ...]:
        return tuple((as_dna(_ids(row), row.where), number[row.label]) for row in part)

    return _task(name, counts, encoded(train), encoded(test))


def _task(
    name: str, counts: tuple[ClassCount, ...], train: tuple[tuple[Ids, int], ...], test: tuple[tuple[Ids, int], ...]
) -> Task:
    learnt = {ids.tobytes().upper() for ids, _ in train}
    shared = sum(ids.tobytes().upper() in learnt for ids, _ in test)
    return Task(name=name, counts=counts, shared=shared, train=train, test=test)


def _check_classes(directory: Path, counts: Sequence[ClassCount], test: Sequence[Row]) -> None:
    """Cross-validation needs two training sequences of each class, and a measure two classes to tell apart."""
    if len(counts) < 2:
        raise InputError(f"has only one class, {counts[0].name!r}", where=directory, fix=FIX, kind="one-class")
    names = {one.name for one in counts}
    if foreign := next((row for row in test if row.label not in names), None):
        known = ", ".join(sorted(names)[:10])
        problem = f"the class {foreign.label!r} is not in train, which has {known}"
        raise InputError(problem, where=foreign.where, fix="Spell each class one way.", kind="test-class")
    if rare := [one.name for one in counts if one.train < MIN_TRAIN]:
        shown = ", ".join(map(repr, rare[:5])) + (f" and {len(rare) - 5:,} more" if len(rare) > 5 else "")
        problem = f"fewer than {MIN_TRAIN} training sequences of class {shown}: cross-validation needs them"
        where = _names(directory, "train", "dev")
        raise InputError(problem, where=where, fix="Add some, or leave the class out.", kind="rare-class")
    if len(present := {row.label for row in test}) < 2:
        problem = f"all {len(test):,} are of class {min(present)!r}: there is nothing to tell apart"
        where = _names(directory, "test")
        raise InputError(problem, where=where, fix="Add sequences of another class.", kind="one-class")


def _names(directory: Path, *parts: str) -> str:
    return ", ".join(map(str, part_files(directory, *parts))) or str(directory)


def _ids(row: Row) -> Ids:
    data = row.sequence.strip().encode("utf-8", "replace")
    if not data or not_nucleotides(data):
        problem = f"has a sequence that is not DNA: {row.sequence[:30]!r}" if data else "has no sequence"
        raise InputError(problem, where=row.where, fix="Leave it out.", kind="not-dna")
    return encode(data)


def _part(directory: Path, part: str) -> Iterator[Row]:
    for entry in read_part(directory, part, Columns()):
        yield Row(sequence=entry.sequence, label=read_label(entry.values[0], entry.where), where=entry.where)
