"""From finished shards to a corpus: the manifest, and the checks that need all of them."""

import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from corpus.manifest import FORMAT_VERSION, Manifest, Split, add_splits, without_names
from corpus.preparation.plan import Plan
from corpus.preparation.record_names import FILE_NAME, Hashes, check_names
from corpus.preparation.results import PartResult, ShardResult
from corpus.preparation.work_folder import WorkFolder
from corpus.readers.formats import Slice, read_slice
from corpus.settings import MOST_NAMED
from corpus.source import Source, SourceContent
from corpus.splits.rule import SPLITS
from foundation.versions import version_shown

_RECORDED = ("genomic-llama", "numpy", "isal", "zstandard", "pyarrow", "orjson", "xxhash")


def assemble(plan: Plan, results: Sequence[ShardResult], work: WorkFolder) -> Manifest:
    """The manifest of a corpus whose shards are all finished.

    Errors: `InputError` for a name that a file has twice.
    """
    _check_names_of_cut_sources(plan, results, work)
    excluded: Counter[str] = Counter()
    for result in results:
        excluded.update(result.excluded)
    splits = tuple(_splits(plan, results))
    if plan.settings.record_names is None and not _few_enough(results, splits):
        splits = tuple(without_names(split) for split in splits)
    return Manifest(
        format_version=FORMAT_VERSION,
        versions={name: version_shown(name) for name in _RECORDED} | {"python": platform.python_version()},
        settings=plan.settings,
        rule_files=plan.rule_files,
        sources=tuple(_sources(plan, results)),
        excluded=dict(sorted(excluded.items())),
        splits=splits,
    )


def _few_enough(results: Sequence[ShardResult], splits: Iterable[Split]) -> bool:
    """Whether the names of all records are there, and are few enough to be kept unasked."""
    named = all(shard.named for split in splits for shard in split.shards)
    return named and sum(part.records for result in results for part in result.parts) <= MOST_NAMED


def _sources(plan: Plan, results: Sequence[ShardResult]) -> Iterable[Source]:
    parts: dict[int, list[PartResult]] = {}
    for result in results:
        for part in result.parts:
            parts.setdefault(part.source, []).append(part)
    for number, source in enumerate(plan.sources):
        own = parts[number]
        sha256 = own[0].sha256
        assert sha256 is not None, "the shard of a source's first part knows its checksum"
        yield Source(
            path=str(source.path),
            format=source.format,
            bytes=own[0].bytes,
            sha256=sha256,
            records=sum(part.records for part in own),
            bases=sum(part.bases for part in own),
            content=_content(own),
        )


def _content(parts: Sequence[PartResult]) -> SourceContent:
    letters: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    for part in parts:
        letters.update(part.letters)
        splits.update(part.splits)
        documents.update(part.documents)
    return SourceContent(
        gc=letters["G"] + letters["C"],
        at=letters["A"] + letters["T"],
        n=letters["N"],
        soft_masked=letters["soft_masked"],
        splits={name: splits[name] for name in SPLITS if splits[name]},
        documents={name: documents[name] for name in SPLITS if documents[name]},
    )


def _splits(plan: Plan, results: Sequence[ShardResult]) -> Iterable[Split]:
    for name in plan.settings.split.names():
        yield add_splits(name, [split for result in results for split in result.splits if split.name == name])


def _check_names_of_cut_sources(plan: Plan, results: Sequence[ShardResult], work: WorkFolder) -> None:
    """A file within one part was checked when it was read."""
    read = partial(read_slice, field=plan.settings.text_field, markup=plan.settings.markup)
    slices: dict[int, list[Slice]] = {}
    hashes: dict[int, list[Hashes]] = {}
    for number, (shard, result) in enumerate(zip(plan.shards, results, strict=True)):
        offset = 0
        for part, known in zip(shard.parts, result.parts, strict=True):
            if part.whole:
                continue
            path = work.shard(number) / FILE_NAME
            own = np.fromfile(path, dtype="<u8", count=known.records, offset=8 * offset)
            offset += known.records
            slices.setdefault(part.source, []).append(plan.slice(part))
            hashes.setdefault(part.source, []).append(own.astype(np.uint64))
    for source in slices:
        check_names(slices[source], hashes[source], read)
