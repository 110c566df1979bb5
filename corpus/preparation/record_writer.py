"""Records on their way into the splits of a shard: what is left out, cut, drawn, counted, sketched and written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.composition import Counts, count_letters
from corpus.exclusion.excluder import Excluder
from corpus.letters import BASES, COLUMNS, FOREIGN, OTHER
from corpus.markup import to_dna_outside_tags
from corpus.preparation.documents import cut, join, keep
from corpus.preparation.split_writer import SplitWriter
from corpus.scan.batch import Batch
from corpus.scan.foreign_letters import explain_letters
from corpus.settings import Settings
from corpus.splits.rule import SPLITS
from corpus.splits.sketch import KEPT_OF_A_SOURCE, Hashes, Sketch, sketch_hashes
from corpus.splits.split import UNDECIDED, Splits, Splitter
from corpus.store.document_names import record_lines, segment_lines
from tokenizer.sequence import Ids


@dataclass(kw_only=True)
class PartTotals:
    """What was taken of one part of a source, records that are left out too.

    `letters`: by `corpus.letters.COLUMNS`. Of what is not left out: `documents` and `bases` by split, and `sketch`.
    """

    source: Path
    number: int
    markup: bool
    records: int = 0
    letters: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(COLUMNS), dtype=np.int64))
    uracil: int = 0
    documents: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SPLITS), dtype=np.int64))
    bases: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SPLITS), dtype=np.int64))
    sketch: Sketch = field(default_factory=lambda: Sketch(KEPT_OF_A_SOURCE))


class RecordWriter:
    """Takes records into the splits that `writers` are open for, by their index in `SPLITS`."""

    def __init__(self, settings: Settings, writers: Mapping[int, SplitWriter]) -> None:
        self._settings, self._writers = settings, writers
        self.splitter, self.excluder = Splitter(settings.split), Excluder(settings.exclusion)
        self.excluded: Counter[str] = Counter()

    def take(self, pieces: Sequence[tuple[Batch, PartTotals]]) -> int:
        """Take batches of records, in order: small ones of many sources at once. Returns their bases.

        Errors: `InputError` that names the source and the record.
        """
        whole = join([batch for batch, _ in pieces])
        counts = count_letters(whole.tokens, whole.bounds, markup=pieces[0][1].markup)
        edges = np.cumsum([0, *(len(batch) for batch, _ in pieces)])
        rows = [counts[start:stop] for start, stop in pairwise(edges)]
        drawn = [self._assign_splits(batch, taken, own) for (batch, taken), own in zip(pieces, rows, strict=True)]
        kept = np.concatenate([kept for kept, _ in drawn])
        splits = np.concatenate([splits for _, splits in drawn])
        owners = np.repeat(np.arange(len(pieces)), np.diff(edges))
        if not kept.all():
            whole, counts, splits, owners = keep(whole, kept), counts[kept], splits[kept], owners[kept]
        self._write(whole, counts, splits, owners, [taken for _, taken in pieces])
        return sum(int(own[:, BASES].sum()) for own in rows)

    def _assign_splits(self, batch: Batch, taken: PartTotals, counts: Counts) -> tuple[npt.NDArray[np.bool_], Splits]:
        """Which records of one source are kept, and their splits. Errors: for foreign letters."""
        taken.records += len(batch)
        taken.letters += counts.sum(axis=0)
        if counts[:, OTHER].any():
            taken.uracil += int((to_dna_outside_tags(batch.tokens) != batch.tokens).sum())
        kept = np.ones(len(batch), dtype=bool)
        if not self._settings.exclusion.empty:
            reasons = self.excluder.excluded(batch, taken.source)
            kept = np.array([reason is None for reason in reasons], dtype=bool)
            self.excluded.update(reason for reason in reasons if reason is not None)
        if (foreign := np.flatnonzero(kept & (counts[:, FOREIGN] > 0))).size:
            raise explain_letters(batch, int(foreign[0]), str(taken.source))
        remaining = batch if kept.all() else keep(batch, kept)
        splits = np.full(len(batch), UNDECIDED, dtype=np.uint8)
        splits[kept] = self.splitter.by_record(remaining, taken.source)
        return kept, splits

    def _write(
        self, batch: Batch, counts: Counts, splits: Splits, owners: npt.NDArray[np.int64], sources: Sequence[PartTotals]
    ) -> None:
        tokens, bounds, names = batch.tokens, batch.bounds, record_lines(batch.names)
        if (length := self._settings.segment_length) is not None:
            tokens, bounds, record, starts = cut(batch, length)
            names = segment_lines(names, record, starts)
            splits, owners = splits[record], owners[record]
            counts = count_letters(tokens, bounds, markup=False)
        splits = self.splitter.by_sequence(splits, tokens, bounds)
        for taken, documents, bases in zip(sources, *by_split(owners, splits, counts, len(sources)), strict=True):
            taken.documents += documents
            taken.bases += bases
        documents, hashes = write_documents(self._writers, tokens, bounds, splits, counts, names)
        if len(documents):
            numbers, firsts = np.unique(owners[documents], return_index=True)
            for number, own in zip(numbers, np.split(hashes, firsts[1:]), strict=True):
                sources[number].sketch.add(own)


def by_split(
    owners: npt.NDArray[np.int64], splits: Splits, counts: Counts, number: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Documents and bases in each split of each of so many owners: [owners, splits]."""
    cells = owners * len(SPLITS) + splits
    bases = np.bincount(cells, counts[:, BASES].sum(axis=1), minlength=number * len(SPLITS))
    documents = np.bincount(cells, minlength=number * len(SPLITS))
    return documents.reshape(number, -1), bases.astype(np.int64).reshape(number, -1)


def by_name(counts: npt.NDArray[np.int64]) -> dict[str, int]:
    """Counts of the splits that have any, by their names."""
    return {name: count for name, count in zip(SPLITS, counts.tolist(), strict=True) if count}


def write_documents(
    writers: Mapping[int, SplitWriter],
    tokens: Ids,
    bounds: npt.NDArray[np.int64],
    splits: Splits,
    counts: Counts,
    names: Sequence[str],
) -> tuple[npt.NDArray[np.int64], Hashes]:
    """Write documents to the splits that they are of; those of one split that follow each other are one write.

    Returns the hashes of their sketch, and the document that each is of, ascending.
    """
    edges = np.flatnonzero(np.diff(splits, prepend=UNDECIDED, append=UNDECIDED))
    places, runs = bounds[edges].tolist(), splits[edges[:-1]]
    lengths = np.diff(bounds)
    for split, writer in writers.items():
        own = [tokens[places[run] : places[run + 1]] for run in np.flatnonzero(runs == split).tolist()]
        if own:
            mine = splits == split
            writer.add(own, lengths[mine], counts[mine], list(compress(names, mine.tolist())))
    begins, hashes = sketch_hashes(tokens)
    documents = np.searchsorted(bounds, begins, side="right") - 1
    for split, writer in writers.items():
        writer.sketch.add(hashes[splits[documents] == split])
    return documents, hashes
