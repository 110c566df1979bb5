"""That no two records of a file have the same name: by 8-byte hashes, and by the names themselves where those agree.

Records of different files may share a name: assemblers call the contigs of every genome `contig_1`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.readers.formats import Slice
from corpus.scan.batch import Batch
from corpus.splits.name_table import name_hashes
from corpus.streams.compression import STANDARD_INPUT
from foundation.errors import InputError

Read = Callable[[Slice], Iterator[Batch]]
Hashes = npt.NDArray[np.uint64]

FILE_NAME = "names.hashes"

_NO_NAME = name_hashes([""])[0]


class RecordNames:
    """The names of one shard, part by part. `read`: reads a part again, to tell a name that comes twice."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._kept: list[Hashes] = []

    def start(self, slice: Slice) -> None:
        """The batches that follow are of `slice`."""
        self._slice, self._hashes = slice, [np.empty(0, dtype=np.uint64)]

    def add(self, batch: Batch) -> None:
        """Note the names of the next records."""
        self._hashes.append(name_hashes(batch.names))

    def finish(self, *, keep: bool) -> None:
        """The part is read. `keep`: it is a part of a file whose others are elsewhere.

        Errors: `InputError` for a name that it has twice.
        """
        hashes = np.concatenate(self._hashes)
        check_names([self._slice], [hashes], self._read)
        if keep:
            self._kept.append(hashes)

    def write(self, folder: Path) -> None:
        """Write what is kept into the folder of the shard, one after the other, 8 bytes a record."""
        if self._kept:
            np.concatenate(self._kept).astype("<u8").tofile(folder / FILE_NAME)


def check_names(slices: Sequence[Slice], hashes: Sequence[Hashes], read: Read) -> None:
    """That no name comes twice in the `slices` of a file, whose records have these `hashes`. Empty ones do not count.

    Errors: `InputError` that names both records.
    """
    every = np.concatenate(hashes)
    if len(every) < 2:
        return
    order = np.argsort(every, kind="stable")
    again = (np.diff(every[order]) == 0) & (every[order][1:] != _NO_NAME)
    for place in np.flatnonzero(again):
        first, second = (_find(slices, hashes, read, int(order[place + step])) for step in (0, 1))
        if first[1] == second[1]:
            raise InputError(
                f"has the same name as record {first[0]}",
                where=f"{slices[0].path}, record {second[0]} {second[1]!r}",
                fix="Rename one of them, or remove it.",
                kind="record-name-twice",
            )


def _find(slices: Sequence[Slice], hashes: Sequence[Hashes], read: Read, record: int) -> tuple[int, str]:
    """Number, from 1, and name of the record in place `record` of the file; standard input cannot be read again."""
    within = record
    for slice, own in zip(slices, hashes, strict=True):
        if within < len(own) and slice.path != STANDARD_INPUT:
            for batch in read(slice):
                if within < len(batch):
                    return record + 1, batch.names[within]
                within -= len(batch)
        within -= len(own)
    return record + 1, ""
