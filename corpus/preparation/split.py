"""Which split a document belongs to: by its bases, by its source, by its cluster, or by a list of accessions.

Always a pure function of the names or the bases and a seed: the order of records and files, the number of processes and
the machine play no part.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import xxhash

from conduct.errors import InputError
from corpus.batch import Batch
from corpus.preparation.name_table import NameTable, name_hashes, read_clusters, read_names
from corpus.preparation.strand_hash import strand_hashes
from tokenizer.sequence import Ids

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
TRAIN, VALIDATION, TEST = range(len(SPLITS))
UNDECIDED = 255

SplitBy = Literal["sequence", "source", "cluster"]

Splits = npt.NDArray[np.uint8]
"""Index into `SPLITS` of each document, or `UNDECIDED`."""


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """Shares of the documents for validation and test; the rest is train.

    Validation takes the low end of the hash range and test the high end, so that changing one moves nothing in or out
    of the other.

    Parameters
    ----------
    validation_fraction, test_fraction : float
        Shares, in [0, 1), of what no list names.
    seed : int
        In [0, 2**64).
    by : {"sequence", "source", "cluster"}
        What is drawn: sequences (equal ones and other strands go together), whole files by their names, or clusters.
    clusters : Path or None
        Two columns, tab-separated, representative and member, as MMseqs2 writes `_cluster.tsv`. Every record is in it.
    validation_list, test_list : Path or None
        Files of accessions, one a line: records of these names go there, whatever the rest says.
    """

    validation_fraction: float = 0.05
    test_fraction: float = 0.0
    seed: int = 0
    by: str = "sequence"
    clusters: Path | None = None
    validation_list: Path | None = None
    test_list: Path | None = None

    def __post_init__(self) -> None:
        for name in ("validation_fraction", "test_fraction"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InputError(f"is {value}", where=name, fix="Give a share of the records in [0, 1).")
        if self.validation_fraction + self.test_fraction >= 1:
            raise InputError("leave nothing for train", where="validation_fraction and test_fraction", fix="Lower one.")
        if not 0 <= self.seed < 2**64:
            raise InputError(f"is {self.seed}", where="seed", fix="Give a number from 0 to 2**64 - 1.")
        if self.by not in get_args(SplitBy):
            raise InputError(f"is {self.by!r}", where="split by", fix=f"Known: {', '.join(get_args(SplitBy))}.")
        if (self.by == "cluster") != (self.clusters is not None):
            raise InputError("a split by cluster and a cluster file go together", fix="Give both or neither.")

    def names(self) -> tuple[SplitName, ...]:
        """The splits that this rule makes."""
        wanted: dict[SplitName, bool] = {
            "train": True,
            "validation": self.validation_fraction > 0 or self.validation_list is not None,
            "test": self.test_fraction > 0 or self.test_list is not None,
        }
        return tuple(name for name, want in wanted.items() if want)

    def files(self) -> tuple[Path, ...]:
        """The files that it reads."""
        return tuple(path for path in (self.clusters, self.validation_list, self.test_list) if path is not None)


class Splitter:
    """A rule with its files read."""

    def __init__(self, rule: SplitRule) -> None:
        self.rule = rule
        self._clusters = read_clusters(rule.clusters) if rule.clusters else None
        lists = ((VALIDATION, rule.validation_list), (TEST, rule.test_list))
        self._lists = [(split, read_names(path)) for split, path in lists if path]

    def by_record(self, batch: Batch, source: Path) -> Splits:
        """The split of each record of `batch`, `UNDECIDED` where its bases decide."""
        splits = np.full(len(batch), UNDECIDED, dtype=np.uint8)
        if self.rule.by == "source":
            splits[:] = self._draw(self._seeded(name_hashes([source.name])))
        elif self._clusters is not None:
            splits = self._draw(self._seeded(self._representatives(self._clusters, batch, source)))
        for split, names in self._lists:
            splits[names.find(batch.names) >= 0] = split
        return splits

    def by_sequence(self, splits: Splits, tokens: Ids, bounds: npt.NDArray[np.int64]) -> Splits:
        """`splits`, with the undecided documents drawn by their bases."""
        undecided = splits == UNDECIDED
        if not undecided.any():
            return splits
        if self.rule.validation_fraction == self.rule.test_fraction == 0:
            return np.where(undecided, np.uint8(TRAIN), splits)
        return np.where(undecided, self._draw(strand_hashes(tokens, bounds, seed=self.rule.seed)), splits)

    def _draw(self, hashes: npt.NDArray[np.uint64]) -> Splits:
        position = hashes / 2.0**64
        splits = np.full(len(hashes), TRAIN, dtype=np.uint8)
        if self.rule.test_fraction:
            splits[position >= 1 - self.rule.test_fraction] = TEST
        splits[position < self.rule.validation_fraction] = VALIDATION
        return splits

    def _representatives(self, clusters: NameTable, batch: Batch, source: Path) -> npt.NDArray[np.uint64]:
        found = clusters.find(batch.names)
        if (missing := np.flatnonzero(found < 0)).size:
            raise InputError(
                f"is in no cluster of {self.rule.clusters}",
                where=f"{source}, record {batch.names[int(missing[0])]!r}",
                fix="Cluster the same files that are prepared; names are compared up to the first white space.",
            )
        return clusters.values[found]

    def _seeded(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        digests = (xxhash.xxh3_64_intdigest(value.tobytes(), self.rule.seed) for value in hashes.astype("<u8"))
        return np.fromiter(digests, dtype=np.uint64, count=len(hashes))
