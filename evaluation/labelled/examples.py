"""Labelled sequences as a model reads them: ids within the context, and targets as numbers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.labelled.readers import Entry
from evaluation.labelled.targets import Targets
from evaluation.rna import AsDna
from foundation.errors import InputError
from foundation.terminal import warn
from tokenizer.sequence import (
    Ids,
    encode,
    foreign_letters,
    is_unambiguous,
    not_nucleotides,
    reverse_complement,
    to_upper,
)

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SIDES = ("refuse", "left", "right")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One sequence, upper case, and its target (`Targets.target`). `where`: its file and line, row or record."""

    ids: Ids
    target: Any
    where: str


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Treatment of sequences longer than `longest` bases: refuse, or cut the left or right end.

    `fix`: what an error tells the user to do, with the settings' names in the place the sequences come from.
    """

    longest: int
    side: str = "refuse"
    fix: str = "Raise dataset.sequence_length, or cut: head.truncate=left or right."

    def __call__(self, ids: Ids, where: str) -> Ids:
        """Errors: `InputError` of the kind `sequence-too-long`."""
        if len(ids) <= self.longest:
            return ids
        if self.side == "refuse":
            problem = f"has {len(ids):,} bases, but the context is {self.longest:,}"
            raise InputError(problem, where=where, fix=self.fix, kind="sequence-too-long")
        return ids[-self.longest :] if self.side == "left" else ids[: self.longest]


def read_ids(sequence: str, where: str, as_dna: AsDna) -> Ids:
    """The ids of a sequence, upper case, U read as T. Errors: `InputError` for one that is empty or not DNA."""
    data = sequence.strip().encode("utf-8", "replace")
    if not data:
        raise InputError("has an empty sequence", where=where, fix="Leave it out.", kind="empty-sequence")
    if not_nucleotides(data):
        problem = f"has characters that are not nucleotides: {foreign_letters(sequence.strip())!r}"
        raise InputError(problem, where=where, fix="Repair the sequence, or leave it out.", kind="not-dna")
    return to_upper(as_dna(encode(data), where))


def make_examples(entries: Iterable[Entry], targets: Targets, cut: Cut, source: object) -> list[Example]:
    """The entries of one part. Cut sequences, and those with letters other than A, C, G and T, give a warning.

    Errors: `InputError` naming file and row.
    """
    as_dna = AsDna(source)
    shortened = list[str]()
    ambiguous = list[str]()

    def read() -> Iterator[Example]:
        for entry in entries:
            whole = read_ids(entry.sequence, entry.where, as_dna)
            ids = cut(whole, entry.where)
            if len(ids) < len(whole):
                shortened.append(entry.where)
            if not is_unambiguous(ids).all():
                ambiguous.append(entry.where)
            target = targets.target(entry, bases=len(whole))
            if targets.per_base and len(ids) < len(whole):
                target = target[-cut.longest :] if cut.side == "left" else target[: cut.longest]
            yield Example(ids=ids, target=target, where=entry.where)

    examples = list(read())
    for found, what in ((shortened, f"cut to {cut.longest:,} bases"), (ambiguous, "with letters beside A, C, G and T")):
        if found:
            warn(f"warning: {source}: {len(found):,} of {len(examples):,} sequences {what}; the first is {found[0]}")
    return examples


def strand_hash(ids: Ids) -> int:
    """Of a sequence: the same for both strands."""
    from xxhash import xxh3_64_intdigest

    forward, reverse = ids.tobytes(), reverse_complement(ids).tobytes()
    return xxh3_64_intdigest(min(forward, reverse))


def stacked(examples: Sequence[Example]) -> npt.NDArray[Any]:
    """The targets of examples with one target each, [examples] or [examples, labels]."""
    return np.stack([example.target for example in examples])
