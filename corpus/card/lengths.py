"""How long the documents of a corpus are, exactly: from the indices beside the manifest, whose histogram has bins."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.manifest import Manifest
from corpus.store.index import TokenIndex
from corpus.store.index_format import idx_path
from foundation.progress import progress_bar

_DOCUMENTS = 1 << 16  # whose places are read at once


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Of documents without their EOS, in bases; in a corpus with markup, in letters with those of tags.

    `n50`: half of the bases are in documents of this length or longer.
    """

    shortest: int
    median: float
    n50: int
    longest: int


def read_lengths(corpus: Path, manifest: Manifest) -> Lengths | None:
    """The lengths in all splits; None where there are no documents, or where an index is not there."""
    prefixes = [Path(corpus) / shard.name for split in manifest.splits for shard in split.shards]
    if not prefixes or not all(idx_path(prefix).is_file() for prefix in prefixes):
        return None
    counted: Counter[int] = Counter()
    documents = sum(split.documents for split in manifest.splits)
    with progress_bar("lengths of documents", total=documents, unit=" documents") as advance:
        for prefix in prefixes:
            for lengths in _lengths(TokenIndex(prefix)):
                values, counts = np.unique(lengths, return_counts=True)
                counted.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
                advance(len(lengths))
    values, counts = (np.array(column, dtype=np.int64) for column in zip(*sorted(counted.items()), strict=True))
    return Lengths(
        shortest=int(values[0]), median=_median(values, counts), n50=_n50(values, counts), longest=int(values[-1])
    )


def _lengths(index: TokenIndex) -> Iterator[npt.NDArray[np.int64]]:
    for first in range(0, index.documents, _DOCUMENTS):
        yield np.diff(index.starts(first, min(first + _DOCUMENTS, index.documents))) - 1
    index.close()


def _median(values: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> float:
    """The middle one, or halfway between the two in the middle."""
    ends, total = np.cumsum(counts), int(counts.sum())
    low, high = (int(values[np.searchsorted(ends, place, side="right")]) for place in ((total - 1) // 2, total // 2))
    return (low + high) / 2


def _n50(values: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> int:
    bases = np.cumsum((values * counts)[::-1])
    return int(values[::-1][np.argmax(2 * bases >= bases[-1])])
