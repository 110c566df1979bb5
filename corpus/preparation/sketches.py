"""The sketches of a shard in its folder, and what those of all shards tell: near-identical sources, split relatives."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.preparation.record_writer import PartTotals
from corpus.preparation.split_writer import SplitWriter
from corpus.source import NearSource, Resemblance, SharedKmers, Source
from corpus.splits.rule import SPLITS
from corpus.splits.sketch import KEPT, KEPT_OF_A_SOURCE, Hashes, K

FILE_NAME = "sketches"

_ROW = np.dtype([("owner", "<i4"), ("hash", "<u8")])
"""`owner`: the number of a source, or -1, -2, -3 for the splits in their order."""

NEAR = 0.995
"""The share of bases that are the same, estimated, above which two sources are near-identical."""
_SHARED = 12
"""Hashes that two sources have in common at the least: fewer may be one gene."""

Rows = npt.NDArray[np.void]


def write_sketches(folder: Path, parts: Iterable[PartTotals], writers: Iterable[SplitWriter]) -> None:
    """Write the sketches of the sources and the splits of a shard: 12 bytes a hash."""
    sources = _rows([(taken.number, taken.sketch.hashes()) for taken in parts])
    np.concatenate([sources, _of_splits(writers)]).tofile(folder / FILE_NAME)


def copy_sketches(old: Path, new: Path, writers: Iterable[SplitWriter]) -> None:
    """Write to `new` the sketches of the sources in `old`, and those of other splits."""
    (rows,) = read_sketches([old])
    np.concatenate([rows[rows["owner"] >= 0], _of_splits(writers)]).tofile(new / FILE_NAME)


def read_sketches(folders: Iterable[Path]) -> list[Rows]:
    """What `write_sketches` wrote, folder by folder."""
    return [np.fromfile(folder / FILE_NAME, dtype=_ROW) for folder in folders]


def resemblance(sources: Sequence[Source], folders: Iterable[Path]) -> Resemblance:
    """What the sketches of all shards, in their folders, say; of equal files nothing, whose checksums tell."""
    sketches = read_sketches(folders)
    near = tuple(
        NearSource(path=sources[one.second].path, other=sources[one.first].path, identity=round(one.identity, 6))
        for one in near_identical(sketches)
        if sources[one.first].sha256 != sources[one.second].sha256
    )
    shares = shares_in_train(sketches)
    return Resemblance(
        sources=near,
        splits={name: SharedKmers(looked_at=count, share=round(share, 6)) for name, (count, share) in shares.items()},
    )


def shares_in_train(shards: Sequence[Rows]) -> dict[str, tuple[int, float]]:
    """By held-out split: how many of its 32-mers were looked at, and the share of these that train has too.

    Where a shard kept its lowest hashes alone, those above the highest that it kept are not looked at.
    """
    limit = min((_complete_below(_of(rows, split)) for rows in shards for split in SPLITS), default=0)
    lowest = {split: [own[own <= limit] for rows in shards if len(own := _of(rows, split))] for split in SPLITS}
    sets = {split: np.unique(np.concatenate([np.empty(0, np.uint64), *parts])) for split, parts in lowest.items()}
    train = sets.pop("train")
    shared = {split: np.isin(own, train, assume_unique=True) for split, own in sets.items() if len(own)}
    return {split: (len(own), float(own.mean())) for split, own in shared.items()}


@dataclass(frozen=True, kw_only=True)
class NearIdentical:
    """Two sources of a plan, by number, and the share of their bases that is the same, estimated."""

    first: int
    second: int
    identity: float


def near_identical(shards: Sequence[Rows]) -> Iterator[NearIdentical]:
    """Each source that is nearly one before it, with the first such."""
    rows = np.unique(np.concatenate([np.empty(0, dtype=_ROW), *(rows[rows["owner"] >= 0] for rows in shards)]))
    rows = rows[np.lexsort((rows["owner"], rows["hash"]))]
    starts = np.flatnonzero(np.diff(rows["hash"], prepend=rows["hash"][:1] + np.uint64(1)))
    firsts = np.repeat(rows["owner"][starts], np.diff(np.append(starts, len(rows))))
    pairs = np.stack([rows["owner"], firsts], axis=1)[rows["owner"] != firsts]
    by_owner = rows[np.lexsort((rows["hash"], rows["owner"]))]
    reported = set()
    for pair, shared in zip(*np.unique(pairs, axis=0, return_counts=True), strict=True):
        second, first = pair.tolist()
        if shared < _SHARED or second in reported:
            continue
        identity = _identity(_lowest(by_owner, first), _lowest(by_owner, second))
        if identity >= NEAR:
            reported.add(second)
            yield NearIdentical(first=first, second=second, identity=identity)


def _identity(one: Hashes, other: Hashes) -> float:
    """Of bases, from the share of 32-mers that both have (Ondov et al. 2016, Mash)."""
    union = np.union1d(one, other)[:KEPT_OF_A_SOURCE]
    both = np.isin(union, one, assume_unique=True) & np.isin(union, other, assume_unique=True)
    shared = float(both.mean())
    return 0.0 if not shared else min(1.0, 1 + float(np.log(2 * shared / (1 + shared))) / K)


def _lowest(by_owner: Rows, owner: int) -> Hashes:
    start, stop = np.searchsorted(by_owner["owner"], [owner, owner + 1])
    hashes: Hashes = by_owner["hash"][start : min(stop, start + KEPT_OF_A_SOURCE)]
    return hashes


def _of_splits(writers: Iterable[SplitWriter]) -> Rows:
    return _rows([(-1 - SPLITS.index(writer.name), writer.sketch.hashes()) for writer in writers])


def _rows(owned: Sequence[tuple[int, Hashes]]) -> Rows:
    rows = np.empty(sum(len(hashes) for _, hashes in owned), dtype=_ROW)
    rows["owner"] = np.repeat(np.array([owner for owner, _ in owned], np.int32), [len(hashes) for _, hashes in owned])
    rows["hash"] = np.concatenate([np.empty(0, dtype=np.uint64), *(hashes for _, hashes in owned)])
    return rows


def _of(rows: Rows, split: str) -> Hashes:
    hashes: Hashes = rows["hash"][rows["owner"] == -1 - SPLITS.index(split)]
    return hashes


def _complete_below(hashes: Hashes) -> int:
    return int(hashes[-1]) if len(hashes) >= KEPT else int(np.iinfo(np.uint64).max)
