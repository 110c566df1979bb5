"""Names of records from lists and cluster files, kept as sorted hashes: 8 or 16 bytes a name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from conduct.errors import InputError
from corpus.readers.compression import open_source


@dataclass(frozen=True, kw_only=True)
class NameTable:
    """Hashes of names, sorted, and of what each name stands for: a cluster's representative, or the name itself."""

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
    """64-bit XXH3 of each name."""
    encoded = (name.encode("utf-8", "surrogateescape") for name in names)
    return np.fromiter((xxhash.xxh3_64_intdigest(name) for name in encoded), dtype=np.uint64, count=len(names))


def read_names(path: Path) -> NameTable:
    """The names of a list, one a line, `#` before a comment. Errors: `InputError` for a list without any."""
    return _once(_read_names, path)


def read_clusters(path: Path) -> NameTable:
    """Members of clusters with their representatives, from two tab-separated columns (MMseqs2's `_cluster.tsv`).

    Errors: `InputError` for a line of another form, or a record in two clusters.
    """
    return _once(_read_clusters, path)


def _once(read: Callable[[Path], NameTable], path: Path) -> NameTable:
    """Read a file once a process, as long as it stays the same."""
    return _cached(read, path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=4)
def _cached(read: Callable[[Path], NameTable], path: Path, modified: int) -> NameTable:
    return read(path)


def _read_names(path: Path) -> NameTable:
    names = [name for line in _lines(path) if (name := line.split("#", 1)[0].strip())]
    if not names:
        raise InputError("names no record", where=path, fix="Write one accession a line.")
    hashes = np.unique(name_hashes(names))
    return NameTable(hashes=hashes, values=hashes)


def _read_clusters(path: Path) -> NameTable:
    members: list[str] = []
    representatives: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line:
            continue
        columns = line.split("\t")
        if len(columns) != 2 or not all(columns):
            fix = "Write representative and member, separated by a tab, as MMseqs2 does in _cluster.tsv."
            raise InputError("is not two columns", where=f"{path}, line {number}", fix=fix)
        representatives.append(columns[0])
        members.append(columns[1])
    hashes = name_hashes(members)
    order = np.argsort(hashes, kind="stable")
    if (twice := np.flatnonzero(np.diff(hashes[order]) == 0)).size:
        name = members[order[twice[0]]]
        raise InputError(f"has {name!r} in more than one line", where=path, fix="Let each record be in one cluster.")
    return NameTable(hashes=hashes[order], values=name_hashes(representatives)[order])


def _lines(path: Path) -> list[str]:
    with open_source(path) as stream:
        return stream.read().decode("utf-8", "surrogateescape").splitlines()
