"""Names of records and the clusters that they are in, kept as sorted hashes: 16 bytes a name."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from corpus.streams.compression import open_source
from foundation.errors import InputError


@dataclass(frozen=True, kw_only=True)
class NameTable:
    """Hashes of names, sorted, and of the representative of each one's cluster."""

    hashes: npt.NDArray[np.uint64]
    values: npt.NDArray[np.uint64]

    def find(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Place of each name in `hashes`, -1 where it is not there."""
        wanted = name_hashes(names)
        places = np.searchsorted(self.hashes, wanted)
        places[places == len(self.hashes)] = 0
        found = self.hashes[places] == wanted if len(self.hashes) else np.zeros(len(wanted), dtype=bool)
        return np.where(found, places, -1)


def name_hashes(names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """64-bit XXH3 of each name, as UTF-8."""
    return np.fromiter(map(xxhash.xxh3_64_intdigest, map(str.encode, names)), dtype=np.uint64, count=len(names))


def read_clusters(path: Path) -> NameTable:
    """Members of clusters with their representatives, from two tab-separated columns (MMseqs2's `_cluster.tsv`).

    Errors: `InputError` for a line of another form, or a record in two clusters.
    """
    return _cached(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=2)
def _cached(path: Path, modified: int) -> NameTable:
    return _read_clusters(path)


def _read_clusters(path: Path) -> NameTable:
    members: list[str] = []
    representatives: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line:
            continue
        columns = line.split("\t")
        if len(columns) != 2 or not all(columns):
            fix = "Write representative and member, separated by a tab, as MMseqs2 does in _cluster.tsv."
            raise InputError("is not two columns", where=f"{path}, line {number}", fix=fix, kind="cluster-line")
        representatives.append(columns[0])
        members.append(columns[1])
    hashes = name_hashes(members)
    order = np.argsort(hashes, kind="stable")
    if (twice := np.flatnonzero(np.diff(hashes[order]) == 0)).size:
        name = members[order[twice[0]]]
        raise InputError(
            f"has {name!r} in more than one line",
            where=path,
            fix="Put each record in one cluster only.",
            kind="record-in-two-clusters",
        )
    return NameTable(hashes=hashes[order], values=name_hashes(representatives)[order])


def _lines(path: Path) -> list[str]:
    with open_source(path) as stream:
        return stream.read().decode("utf-8", "backslashreplace").splitlines()
