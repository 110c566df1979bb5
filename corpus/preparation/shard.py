"""One shard of a preparation, from its sources to durable files. It needs the plan and nothing of any other shard."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.composition import BASES, FOREIGN, Counts, count_letters
from corpus.exclusion.excluder import Excluder
from corpus.preparation.documents import cut, keep
from corpus.preparation.plan import Part, Plan, PlannedSource, read_plan
from corpus.preparation.record_names import RecordNames
from corpus.preparation.results import PartResult, ShardResult, read_result, write_result
from corpus.preparation.split_writer import SplitWriter
from corpus.preparation.work_folder import Report, WorkFolder
from corpus.readers.formats import TEXT, Format, Slice, read_slice
from corpus.scan.batch import Batch
from corpus.scan.letters import explain_letters
from corpus.splits.rule import SPLITS
from corpus.splits.split import UNDECIDED, Splits, Splitter
from corpus.streams.compression import STANDARD_INPUT, Observe
from foundation.atomic import full_disk
from foundation.checksum import sha256
from foundation.errors import InputError
from foundation.memory import bounded_memory
from tokenizer.sequence import Ids

_READ_FROM_START_TO_END = (Format.FASTA, Format.FASTQ, Format.JSONL)


def prepare_shard(folder: Path, shard: int) -> None:
    """Read the sources of `shard` and write its files, whole or not at all, in the working folder at `folder`.

    A shard that is finished is left as it is. Errors: `InputError` for bad input or a full disk.
    """
    work = WorkFolder(path=Path(folder).absolute())
    plan = read_plan(work.plan)
    if not 0 <= shard < len(plan.shards):
        raise InputError(f"has no shard {shard}, only 0 to {len(plan.shards) - 1}", where=work.plan)
    if read_result(work, plan, shard) is not None:
        return
    os.chdir(plan.folder)  # from where its paths are given
    with full_disk(work.out), work.reporting(shard) as report, work.new_shard(shard) as new:
        write_result(new, _Shard(plan, shard, new, report).prepare())


class _Shard:
    def __init__(self, plan: Plan, number: int, folder: Path, report: Report) -> None:
        self.plan, self.number, self.folder, self.report = plan, number, folder, report
        self.splitter = Splitter(plan.settings.split)
        self.excluder = Excluder(plan.settings.exclusion)
        self.excluded: Counter[str] = Counter()
        self.names = RecordNames(self._records)
        self.writers: dict[int, SplitWriter] = {}

    def prepare(self) -> ShardResult:
        with ExitStack() as stack:
            for name in self.plan.settings.split.names():
                writer = SplitWriter(self.folder, name, self.number)
                self.writers[SPLITS.index(name)] = stack.enter_context(writer)
            parts = tuple(self._read_bounded(part) for part in self.plan.shards[self.number].parts)
        self.names.write(self.folder)
        lists = self.splitter.held_out() | self.excluder.lists()
        return ShardResult(
            fingerprint=self.plan.fingerprint(self.number),
            parts=parts,
            excluded=dict(sorted(self.excluded.items())),
            matched={str(path): tuple(sorted(names.matched)) for path, names in lists.items()},
            splits=tuple(writer.split() for writer in self.writers.values() if writer.documents),
        )

    def _read_bounded(self, part: Part) -> PartResult:
        with bounded_memory(self.plan.sources[part.source].path):
            return self._read(part)

    def _read(self, part: Part) -> PartResult:
        source = self.plan.sources[part.source]
        markup = self.plan.settings.markup and Format(source.format) in TEXT
        digest, size, records, bases = hashlib.sha256(), 0, 0, 0
        hash_while_reading = part.whole and Format(source.format) in _READ_FROM_START_TO_END

        def observe(block: memoryview) -> None:
            nonlocal size
            size += len(block)
            if hash_while_reading:
                digest.update(block)
            self.report(len(block), 0)

        slice = self.plan.slice(part)
        self.names.start(slice)
        for batch in self._records(slice, observe):
            counts = count_letters(batch.tokens, batch.bounds, markup=markup)
            self.names.add(batch)
            self._take(batch, counts, source.path)
            records, bases = records + len(batch), bases + int(counts[:, BASES].sum())
            self.report(0, int(counts[:, BASES].sum()))
        self.names.finish(keep=not part.whole)
        checksum = None
        if hash_while_reading:
            checksum = digest.hexdigest()
        elif part.start == 0:
            checksum = sha256(source.path)
        _check_unchanged(source)
        stored = size if source.path == STANDARD_INPUT else source.bytes
        return PartResult(source=part.source, sha256=checksum, bytes=stored, records=records, bases=bases)

    def _records(self, slice: Slice, observe: Observe | None = None) -> Iterator[Batch]:
        settings = self.plan.settings
        return read_slice(slice, field=settings.text_field, markup=settings.markup, observe=observe)

    def _take(self, batch: Batch, counts: Counts, source: Path) -> None:
        """Write the documents of `batch` to their splits."""
        reasons = self.excluder.excluded(batch, source)
        kept = np.array([reason is None for reason in reasons], dtype=bool)
        if (foreign := np.flatnonzero(kept & (counts[:, FOREIGN] > 0))).size:
            raise explain_letters(batch, int(foreign[0]), str(source))
        if not kept.all():
            self.excluded.update(reason for reason in reasons if reason is not None)
            batch, counts = keep(batch, kept), counts[kept]
        splits = self.splitter.by_record(batch, source)
        tokens, bounds = batch.tokens, batch.bounds
        if (length := self.plan.settings.segment_length) is not None:
            tokens, bounds, record = cut(batch, length)
            splits, counts = splits[record], count_letters(tokens, bounds, markup=False)
        self._write(tokens, bounds, self.splitter.by_sequence(splits, tokens, bounds), counts)

    def _write(self, tokens: Ids, bounds: npt.NDArray[np.int64], splits: Splits, counts: Counts) -> None:
        """Documents of the same split that follow each other are one write."""
        edges = np.flatnonzero(np.diff(splits, prepend=UNDECIDED, append=UNDECIDED))
        places, runs = bounds[edges].tolist(), splits[edges[:-1]]
        lengths = np.diff(bounds)
        for split, writer in self.writers.items():
            own = [tokens[places[run] : places[run + 1]] for run in np.flatnonzero(runs == split).tolist()]
            if own:
                writer.add(own, lengths[splits == split], counts[splits == split])


def _check_unchanged(source: PlannedSource) -> None:
    if source.path == STANDARD_INPUT:
        return
    status = source.path.stat()
    if (status.st_size, status.st_mtime_ns) != (source.bytes, source.modified):
        raise InputError("was changed while it was read", where=source.path, fix="Give the same command again.")
