"""Splits that came out empty, drawn again: few documents are cut into segments, or the nearest document is moved.

A share of 5% of 20 genomes is one genome, or none: which, the hash decides. Where it is none, few documents are cut
into segments and these are drawn, as with `--segment-length`. If a split is still empty, it gets the one
document whose hash is nearest to it. Both depend on the sequences alone. The finished shards are what is read: a source
may be standard input.
"""

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.composition import count_letters
from corpus.manifest import Shard
from corpus.preparation.documents import cut
from corpus.preparation.record_writer import by_name, by_split, write_documents
from corpus.preparation.results import ShardResult
from corpus.preparation.sketches import copy_sketches
from corpus.preparation.split_writer import open_writers
from corpus.preparation.work_folder import WorkFolder
from corpus.scan.batch import BATCH_BYTES, Batch
from corpus.settings import Settings
from corpus.splits.rule import SPLITS
from corpus.splits.split import Splits, draw
from corpus.splits.strand_hash import strand_hashes
from corpus.store.document_names import names_path, read_lines, segment_lines
from corpus.store.index import TokenIndex
from foundation.disk import full_disk, sync
from foundation.progress import Advance, progress_bar
from tokenizer.sequence import Ids

FEW = 100
"""Documents below which they are cut."""
LONGEST_SEGMENT, SHORTEST_SEGMENT = 100_000, 1_000
SEGMENTS = 200
"""Of a corpus that is cut, where its size allows."""

_DOCUMENTS = 1 << 16  # whose places are read at once

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Redrawn:
    """What became of the shards. `moved`: the splits that got one document because they would have been empty."""

    settings: Settings
    results: list[ShardResult]
    moved: tuple[str, ...]


def can_redraw(settings: Settings, documents: dict[str, int]) -> bool:
    """Whether drawing again can fill the splits that are empty, by these numbers of `documents`: those of no list."""
    drawn = settings.split.drawn()
    by_bases = settings.split.by == "sequence" or (settings.split.by == "record" and settings.segment_length is None)
    return by_bases and all(count or name in drawn for name, count in documents.items()) and sum(documents.values()) > 0


def redraw(work: WorkFolder, settings: Settings, results: Sequence[ShardResult]) -> Redrawn:
    """The shards of `work` with their documents drawn again, in `work.redrawn(shard)`; the old ones stay."""
    settings = _with_segments(settings, results)
    rule = settings.split
    drawn = {SPLITS.index(name) for name in rule.drawn()}
    bases = sum(split.bases for result in results for split in result.splits)
    shutil.rmtree(work.redrawn(0).parent, ignore_errors=True)
    with full_disk(work.out), progress_bar("draw again", total=2 * bases, unit="b") as advance:
        pool = [
            strand_hashes(tokens, bounds, seed=rule.seed)
            for shard, result in enumerate(results)
            for split, tokens, bounds, _, _ in _documents(work.shard(shard), result, settings, advance)
            if split in drawn
        ]
        hashes = np.unique(np.concatenate(pool))
        splits, moved = fill_empty(draw(rule, hashes), sorted(drawn))
        made = [
            _write(work, shard, result, settings, (hashes, splits, drawn), advance)
            for shard, result in enumerate(results)
        ]
    return Redrawn(settings=settings, results=made, moved=tuple(SPLITS[split] for split in moved))


def fill_empty(splits: Splits, drawn: Sequence[int]) -> tuple[Splits, list[int]]:
    """`splits` of documents in the order of their hashes, with one document for each of `drawn` that has none.

    Validation has the low end of the hashes, test the high one, so that is where a document is taken from, of a split
    that keeps another. Returns also the splits that were filled.
    """
    splits, filled = splits.copy(), []
    for split in drawn:
        counts = np.bincount(splits, minlength=len(SPLITS))
        donors = np.flatnonzero(counts[splits] > 1)
        if counts[split] == 0 and len(donors):
            splits[donors[0] if split == SPLITS.index("validation") else donors[-1]] = split
            filled.append(split)
    return splits, filled


def segment_length(documents: int, bases: int) -> int | None:
    """The length at which so few documents are cut; None where they are enough."""
    if documents >= FEW:
        return None
    return min(LONGEST_SEGMENT, max(SHORTEST_SEGMENT, bases // SEGMENTS), max(1, bases // 4))


def _with_segments(settings: Settings, results: Sequence[ShardResult]) -> Settings:
    if settings.split.by != "sequence" or settings.segment_length is not None or settings.markup:
        return settings
    splits = [split for result in results for split in result.splits]
    length = segment_length(sum(split.documents for split in splits), sum(split.bases for split in splits))
    return dataclasses.replace(settings, segment_length=length)


def _documents(
    folder: Path, result: ShardResult, settings: Settings, advance: Advance
) -> Iterator[tuple[int, Ids, npt.NDArray[np.int64], list[str], npt.NDArray[np.int64]]]:
    """The documents of a finished shard, cut: their split, tokens, bounds, lines of names and parts, in batches."""
    for split in result.splits:
        documents = [part.documents.get(split.name, 0) for part in result.parts]
        parts = np.repeat(np.arange(len(documents)), documents)
        for stored in split.shards:
            index = TokenIndex(folder / stored.name)
            known = _names(folder, stored)
            for tokens, bounds in _batches(index):
                advance(len(tokens))
                names = list(islice(known, len(bounds) - 1))
                own, parts = parts[: len(names)], parts[len(names) :]
                if settings.segment_length is not None and not any("\t" in name for name in names):
                    batch = Batch(first=1, names=names, descriptions=names, tokens=tokens, bounds=bounds)
                    tokens, bounds, record, starts = cut(batch, settings.segment_length)
                    names, own = segment_lines(names, record, starts), own[record]
                yield SPLITS.index(split.name), tokens, bounds, names, own
            index.close()


def _names(folder: Path, shard: Shard) -> Iterator[str]:
    if shard.named:
        return read_lines(names_path(folder / shard.name), shard.documents)
    return repeat("", shard.documents)


def _batches(index: TokenIndex) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    for first in range(0, index.documents, _DOCUMENTS):
        starts = index.starts(first, min(first + _DOCUMENTS, index.documents))
        begin = 0
        while begin < len(starts) - 1:
            end = int(np.searchsorted(starts, starts[begin] + BATCH_BYTES, side="right")) - 1
            end = max(end, begin + 1)
            tokens = np.empty(int(starts[end] - starts[begin]), dtype=np.uint8)
            index.read_into(int(starts[begin]), tokens)
            yield tokens, starts[begin : end + 1] - starts[begin]
            begin = end


def _write(
    work: WorkFolder,
    shard: int,
    result: ShardResult,
    settings: Settings,
    drawing: tuple[Hashes, Splits, set[int]],
    advance: Advance,
) -> ShardResult:
    hashes, drawn_splits, drawn = drawing
    folder = work.redrawn(shard)
    folder.mkdir(parents=True)
    totals = np.zeros((2, len(result.parts), len(SPLITS)), dtype=np.int64)
    with open_writers(folder, settings, shard) as writers:
        for split, tokens, bounds, names, owners in _documents(work.shard(shard), result, settings, advance):
            splits = np.full(len(bounds) - 1, split, dtype=np.uint8)
            if split in drawn:
                places = np.searchsorted(hashes, strand_hashes(tokens, bounds, seed=settings.split.seed))
                splits = drawn_splits[places]
            counts = count_letters(tokens, bounds, markup=settings.markup)
            totals += by_split(owners, splits, counts, len(result.parts))
            write_documents(writers, tokens, bounds, splits, counts, names)
    copy_sketches(work.shard(shard), folder, writers.values())
    for path in (*folder.iterdir(), folder):
        sync(path)
    parts = [
        dataclasses.replace(part, documents=by_name(documents), splits=by_name(bases))
        for part, documents, bases in zip(result.parts, *totals, strict=True)
    ]
    written = tuple(writer.split() for writer in writers.values() if writer.documents)
    return dataclasses.replace(result, parts=tuple(parts), splits=written)
