"""One shard of a preparation, from its sources to durable files. It needs the plan and nothing of any other shard."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from corpus.letters import BASES, COLUMNS
from corpus.markup import to_dna_outside_tags
from corpus.preparation.plan import Part, Plan, PlannedSource, read_plan
from corpus.preparation.record_names import RecordNames
from corpus.preparation.record_writer import PartTotals, RecordWriter, by_name
from corpus.preparation.results import PartResult, ShardResult, read_result, write_result
from corpus.preparation.sketches import write_sketches
from corpus.preparation.split_writer import open_writers
from corpus.preparation.work_folder import Report, WorkFolder
from corpus.readers.formats import TEXT, Slice, read_slice
from corpus.scan.batch import Batch
from corpus.source_format import Format
from corpus.streams.compression import STANDARD_INPUT, Observe
from foundation.checksum import sha256
from foundation.disk import full_disk
from foundation.errors import InputError
from foundation.memory import bounded_memory

_READ_FROM_START_TO_END = (Format.FASTA, Format.FASTQ, Format.JSONL)

_SMALL = 1 << 16
"""Stored bytes of a source that is taken together with others."""
_TOGETHER = 1 << 12
"""Sources, each small, that are taken together."""


def prepare_shard(folder: Path, shard: int) -> int:
    """Read the sources of `shard` and write its files, whole or not at all, in the working folder at `folder`.

    A shard that is finished is left as it is, and after the last one there is nothing to do: a job array may be longer
    than the plan. Returns how many shards the plan has. Errors: `InputError` for bad input or a full disk.
    """
    work = WorkFolder(path=Path(folder).absolute())
    plan = read_plan(work.plan)
    if shard < 0:
        problem = f"has no shard {shard}, only 0 to {len(plan.shards) - 1}"
        raise InputError(problem, where=work.plan, fix="Give one of these numbers.", kind="unknown-shard")
    if shard >= len(plan.shards) or read_result(work, plan, shard) is not None:
        return len(plan.shards)
    os.chdir(plan.folder)  # from where its paths are given
    with full_disk(work.out), work.reporting(shard) as report, work.new_shard(shard) as new:
        write_result(new, _Shard(plan, shard, new, report).prepare())
    return len(plan.shards)


class _Shard:
    def __init__(self, plan: Plan, number: int, folder: Path, report: Report) -> None:
        self.plan, self.number, self.folder, self.report = plan, number, folder, report
        self.names = RecordNames(self._records)

    def prepare(self) -> ShardResult:
        with open_writers(self.folder, self.plan.settings, self.number) as writers:
            self.writer = writer = RecordWriter(self.plan.settings, writers)
            parts = [result for bundle in self._bundles() for result in self._read_bounded(bundle)]
        self.names.write(self.folder)
        write_sketches(self.folder, [taken for _, taken in parts], writers.values())
        lists = writer.splitter.held_out() | writer.excluder.lists()
        return ShardResult(
            fingerprint=self.plan.fingerprint(self.number),
            parts=tuple(result for result, _ in parts),
            excluded=dict(sorted(writer.excluded.items())),
            matched={str(path): tuple(sorted(names.matched)) for path, names in lists.items()},
            splits=tuple(writer.split() for writer in writers.values() if writer.documents),
        )

    def _bundles(self) -> Iterator[list[Part]]:
        """The parts in order: small ones of one format together, as each batch has a cost of its own."""
        bundle: list[Part] = []
        for part in self.plan.shards[self.number].parts:
            if bundle and (len(bundle) == _TOGETHER or not self._small(part) or not self._alike(bundle[-1], part)):
                yield bundle
                bundle = []
            bundle.append(part)
            if not self._small(part):
                yield bundle
                bundle = []
        if bundle:
            yield bundle

    def _small(self, part: Part) -> bool:
        source = self.plan.sources[part.source]
        return part.whole and 0 < source.bytes <= _SMALL and Format(source.format) in _READ_FROM_START_TO_END

    def _alike(self, one: Part, other: Part) -> bool:
        return self.plan.sources[one.source].format == self.plan.sources[other.source].format

    def _read_bounded(self, bundle: Sequence[Part]) -> list[tuple[PartResult, PartTotals]]:
        first, last = (self.plan.sources[bundle[place].source].path for place in (0, -1))
        with bounded_memory(first if first == last else f"{first} to {last}"):
            return self._read(bundle)

    def _read(self, bundle: Sequence[Part]) -> list[tuple[PartResult, PartTotals]]:
        """Read the parts; those of a bundle of several are taken at its end."""
        read: list[_Reading] = []
        waiting: list[tuple[Batch, PartTotals]] = []
        try:
            for part in bundle:
                reading = _Reading(self, part)
                for batch in reading.batches():
                    waiting.append((batch, reading.taken))
                    if len(bundle) == 1:
                        self._take(waiting)
                read.append(reading)
        except InputError:
            self._take(waiting)  # an error of what comes before is raised first
            raise
        self._take(waiting)
        return [(reading.result(), reading.taken) for reading in read]

    def _take(self, waiting: list[tuple[Batch, PartTotals]]) -> None:
        if waiting:
            pieces = waiting.copy()
            waiting.clear()
            self.report(0, self.writer.take(pieces))

    def _records(self, slice: Slice, observe: Observe | None = None) -> Iterator[Batch]:
        settings = self.plan.settings
        return read_slice(slice, field=settings.text_field, markup=settings.markup, observe=observe)


class _Reading:
    """One part of a source, read once."""

    def __init__(self, shard: _Shard, part: Part) -> None:
        self._shard, self._part, self._source = shard, part, shard.plan.sources[part.source]
        format = Format(self._source.format)
        self.taken = PartTotals(
            source=self._source.path, number=part.source, markup=shard.plan.settings.markup and format in TEXT
        )
        self._hash_while_reading = part.whole and format in _READ_FROM_START_TO_END
        self._rna = shard.plan.settings.rna
        self._digest, self._size = hashlib.sha256(), 0
        self._checksum: str | None = None

    def batches(self) -> Iterator[Batch]:
        """Its records, then checks of the complete source: duplicate names, a file that changed while it was read."""
        slice, names = self._shard.plan.slice(self._part), self._shard.names
        names.start(slice)
        for batch in self._shard._records(slice, self._observe):
            names.add(batch)
            yield replace(batch, tokens=to_dna_outside_tags(batch.tokens)) if self._rna else batch
        names.finish(keep=not self._part.whole)
        if self._hash_while_reading:
            self._checksum = self._digest.hexdigest()
        elif self._part.start == 0:
            self._checksum = sha256(self._source.path)
        _check_unchanged(self._source)

    def result(self) -> PartResult:
        """What is known of it once its batches are taken."""
        return PartResult(
            source=self._part.source,
            sha256=self._checksum,
            bytes=self._size if self._source.path == STANDARD_INPUT else self._source.bytes,
            records=self.taken.records,
            bases=int(self.taken.letters[BASES].sum()),
            letters=dict(zip(COLUMNS, self.taken.letters.tolist(), strict=True)),
            uracil=self.taken.uracil,
            documents=by_name(self.taken.documents),
            splits=by_name(self.taken.bases),
        )

    def _observe(self, block: memoryview) -> None:
        self._size += len(block)
        if self._hash_while_reading:
            self._digest.update(block)
        self._shard.report(len(block), 0)


def _check_unchanged(source: PlannedSource) -> None:
    if source.path == STANDARD_INPUT:
        return
    status = source.path.stat()
    if (status.st_size, status.st_mtime_ns) != (source.bytes, source.modified):
        fix = "Give the same command again."
        raise InputError("was changed while it was read", where=source.path, fix=fix, kind="source-changed")
