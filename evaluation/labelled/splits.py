"""Training, validation and test sequences of a head: from files, a column, a directory, or drawn by a hash."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.schema import HeadConfig
from evaluation.labelled.checks import check_learnable, check_measurable, warn_of_contradictions, warn_shared
from evaluation.labelled.examples import TEST, TRAIN, VALIDATION, Cut, Example, make_examples, strand_hash
from evaluation.labelled.layout import read_part, warn_unread
from evaluation.labelled.readers import Columns, Entry, read_entries
from evaluation.labelled.signal import is_bed, signal_of
from evaluation.labelled.targets import Targets, find_targets
from evaluation.likelihood.bed import read_bed
from foundation.errors import InputError, shown
from foundation.terminal import warn

SPELLINGS = {
    TRAIN: TRAIN, "training": TRAIN, "valid": VALIDATION, "validation": VALIDATION, "val": VALIDATION,
    "dev": VALIDATION, TEST: TEST, "testing": TEST,
}  # fmt: skip
"""What a split column may say, in any case."""


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The examples of each split; `test` may be empty, the others are not."""

    targets: Targets
    train: list[Example]
    validation: list[Example]
    test: list[Example]


def read_splits(head: HeadConfig, longest: int) -> Splits:
    """Read and check everything that `head` names; sequences have at most `longest` bases.

    Sequences that two splits share are counted and said. Errors: `InputError` naming file and row.
    """
    entries = _entries(head)
    if not entries[TRAIN]:
        fix = "Check head.train and head.split_column."
        raise InputError("has no training sequences", where=head.train, fix=fix, kind="no-sequences")
    targets = find_targets(head.kind, head.labels, entries[TRAIN])
    cut = Cut(longest=longest, side=head.truncate)
    parts = {name: make_examples(rows, targets, cut, head.train) for name, rows in entries.items()}
    drawn = not parts[VALIDATION]
    if drawn:
        parts[TRAIN], parts[VALIDATION] = _split_off(parts[TRAIN], head.validation_fraction)
        count = len(parts[VALIDATION])
        are = "is" if count == 1 else "are"
        warn(f"{head.train}: {count:,} of {count + len(parts[TRAIN]):,} sequences {are} held out for validation")
    for name in (TRAIN, VALIDATION):
        if not parts[name]:
            fix = "Give more sequences, head.validation, or another head.validation_fraction."
            raise InputError(f"leaves no {name} sequences", where=head.train, fix=fix, kind="no-sequences")
    if drawn:
        check_learnable(targets, parts[TRAIN], head.train)
    check_measurable(targets, parts[VALIDATION], head.stop_metric, head.validation or head.train)
    warn_shared(parts, head.train)
    warn_of_contradictions(targets, parts[TRAIN], head.train)
    return Splits(targets=targets, train=parts[TRAIN], validation=parts[VALIDATION], test=parts[TEST])


def _entries(head: HeadConfig) -> dict[str, list[Entry]]:
    if head.train is None:
        raise InputError("no value for head.train", fix="Add head.train=FILE.", kind="missing-value")
    path = Path(head.train)
    columns = Columns(
        sequence=head.sequence, values=tuple(head.labels), signal=signal_of(head.genome, head.bigwig, head.bigwig_fill)
    )
    if path.is_dir():
        if columns.signal is not None:
            fix = "Give BED files: head.train, and head.validation."
            raise InputError("is a directory, and head.bigwig is given", where=path, fix=fix, kind="bigwig-option")
        if head.validation or head.test or head.split_column:
            problem = "is a directory, which contains validation and test, but another place for them is given"
            fix = "Leave out head.validation, head.test and head.split_column, or give a file."
            raise InputError(problem, where=path, fix=fix, kind="split-twice")
        warn_unread(path)
        parts = {TRAIN: "train", VALIDATION: "dev", TEST: "test"}
        return {name: list(read_part(path, part, columns)) for name, part in parts.items()}
    if head.split_column is not None:
        return _by_column(path, columns, head.split_column)
    files = {TRAIN: head.train, VALIDATION: head.validation, TEST: head.test}
    if columns.signal is not None:
        _warn_overlap({name: Path(file) for name, file in files.items() if file and is_bed(Path(file))})
    return {name: list(read_entries(Path(file), columns)) if file else [] for name, file in files.items()}


def _warn_overlap(beds: Mapping[str, Path]) -> None:
    """Warn of regions that share bases with those of another split; of any other, where validation is drawn."""
    lines = [(line, name) for name, bed in beds.items() for line in read_bed(bed)]
    ends: dict[tuple[str, str], int] = {}
    for line, name in sorted(lines, key=lambda one: (one[0].contig, one[0].start)):
        others = [end for (contig, split), end in ends.items() if contig == line.contig and split != name]
        drawn = VALIDATION not in beds and ends.get((line.contig, name), 0) > line.start
        if drawn or any(end > line.start for end in others):
            what = "another region, and validation regions are drawn" if drawn else "a region of another split"
            warn(f"warning: {beds[name]}, line {line.number}: shares bases with {what}; measures may be too good")
            return
        ends[line.contig, name] = max(line.end, ends.get((line.contig, name), 0))


def _by_column(path: Path, columns: Columns, column: str) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {TRAIN: [], VALIDATION: [], TEST: []}
    with_split = Columns(sequence=columns.sequence, values=(*columns.values, column))
    for entry in read_entries(path, with_split):
        *values, said = entry.values
        split = SPELLINGS.get(str(said).strip().lower())
        if split is None:
            problem, fix = f"{column} is {shown(said)}", "Write train, validation or test."
            raise InputError(problem, where=entry.where, fix=fix, kind="split-name")
        found[split].append(Entry(sequence=entry.sequence, values=tuple(values), where=entry.where, name=entry.name))
    return found


def _split_off(examples: Sequence[Example], fraction: float) -> tuple[list[Example], list[Example]]:
    """Without and with a share of `examples`, drawn by sequence: copies, and reverse complements, stay together."""
    limit = int(fraction * 2**32)
    drawn = [strand_hash(example.ids) >> 32 < limit for example in examples]
    rest = [example for example, taken in zip(examples, drawn, strict=True) if not taken]
    return rest, [example for example, taken in zip(examples, drawn, strict=True) if taken]


def class_counts(examples: Sequence[Example], classes: int) -> Iterator[int]:
    """How many of `examples` each class has; bases, where each base has a class."""
    flat = np.concatenate([np.atleast_1d(example.target) for example in examples])
    yield from np.bincount(flat[flat >= 0], minlength=classes).tolist()
