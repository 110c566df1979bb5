"""Which split a document belongs to: by its bases, by its source, by its cluster, or by a list of accessions.

Always a pure function of the names or the bases and a seed: the order of records and files, the number of processes and
the machine play no part.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from corpus.exclusion.accession_list import AccessionList
from corpus.scan.batch import Batch
from corpus.splits.name_table import NameTable, name_hashes, read_clusters
from corpus.splits.rule import SPLITS, SplitName, SplitRule
from corpus.splits.strand_hash import strand_hashes
from foundation.errors import InputError
from tokenizer.sequence import Ids

TRAIN, VALIDATION, TEST = range(len(SPLITS))
UNDECIDED = 255

Splits = npt.NDArray[np.uint8]
"""Index into `SPLITS` of each document, or `UNDECIDED`."""


class Splitter:
    """A rule with its files read."""

    def __init__(self, rule: SplitRule) -> None:
        self.rule = rule
        self._clusters = read_clusters(rule.clusters) if rule.clusters else None
        lists = ((VALIDATION, rule.validation_list), (TEST, rule.test_list))
        self._lists = {path: (split, AccessionList(path)) for split, path in lists if path}

    def by_record(self, batch: Batch, source: Path) -> Splits:
        """The split of each record of `batch`, `UNDECIDED` where its bases decide."""
        splits = np.full(len(batch), UNDECIDED, dtype=np.uint8)
        if self.rule.by == "record":
            splits = draw(self.rule, strand_hashes(batch.tokens, batch.bounds, seed=self.rule.seed))
        elif self.rule.by == "source":
            splits[:] = draw(self.rule, seeded(name_hashes([source.name]), self.rule.seed))
        elif self._clusters is not None:
            splits = draw(self.rule, seeded(self._representatives(self._clusters, batch, source), self.rule.seed))
        for split, names in self._lists.values():
            splits[names.find(batch.names)] = split
        return splits

    def by_sequence(self, splits: Splits, tokens: Ids, bounds: npt.NDArray[np.int64]) -> Splits:
        """`splits`, with the undecided documents drawn by their bases."""
        undecided = splits == UNDECIDED
        if not undecided.any():
            return splits
        if self.rule.validation_fraction == self.rule.test_fraction == 0:
            return np.where(undecided, np.uint8(TRAIN), splits)
        return np.where(undecided, draw(self.rule, strand_hashes(tokens, bounds, seed=self.rule.seed)), splits)

    def held_out(self) -> dict[Path, AccessionList]:
        """The lists of the rule, which know what they have found."""
        return {path: names for path, (_, names) in self._lists.items()}

    def _representatives(self, clusters: NameTable, batch: Batch, source: Path) -> npt.NDArray[np.uint64]:
        found = clusters.find(batch.names)
        if (missing := np.flatnonzero(found < 0)).size:
            raise InputError(
                f"is in no cluster of {self.rule.clusters}",
                where=f"{source}, record {batch.names[int(missing[0])]!r}",
                fix="Cluster the same files that are prepared; names are compared up to the first white space.",
                kind="record-in-no-cluster",
            )
        return clusters.values[found]


def draw(rule: SplitRule, hashes: npt.NDArray[np.uint64]) -> Splits:
    """The splits of what has these hashes."""
    position = hashes / 2.0**64
    splits = np.full(len(hashes), TRAIN, dtype=np.uint8)
    if rule.test_fraction:
        splits[position >= 1 - rule.test_fraction] = TEST
    splits[position < rule.validation_fraction] = VALIDATION
    return splits


def seeded(hashes: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """Hashes of the hashes of names."""
    digests = (xxhash.xxh3_64_intdigest(value.tobytes(), seed) for value in hashes.astype("<u8"))
    return np.fromiter(digests, dtype=np.uint64, count=len(hashes))


def split_of_source(rule: SplitRule, source: Path) -> SplitName | None:
    """The split of all records of a file, where its name decides; None where the records of a file go to several."""
    if rule.by != "source" or rule.files():
        return None
    return SPLITS[int(draw(rule, seeded(name_hashes([source.name]), rule.seed))[0])]


def unit_hashes(rule: SplitRule, sources: Sequence[Path]) -> npt.NDArray[np.uint64]:
    """The hashes, not seeded, of what a rule by source or cluster draws: known before anything is read."""
    if rule.clusters is not None:
        return np.unique(read_clusters(rule.clusters).values)
    return np.unique(name_hashes([source.name for source in sources]))
