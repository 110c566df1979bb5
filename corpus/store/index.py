"""Reading one Megatron indexed dataset of uint8 tokens: any range of its tokens, where its documents begin.

Reads by `pread`, not by mmap: on cold random reads of a large file mmap reads some 300 times what is asked for.
"""

import os
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from corpus.store.index_format import HEADER, MAGIC, UINT8, VERSION, bin_path, idx_path, idx_size
from foundation.errors import InputError
from tokenizer.sequence import Ids

_REMEDY = "Prepare the corpus again with genomic-llama prepare."


class TokenIndex:
    """`<prefix>.bin` and `<prefix>.idx`. Opening them reads the header only, and no array is kept.

    May be shared by threads and forked or pickled into worker processes.
    Errors: `InputError` for files that are missing, of another format, or truncated.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = Path(prefix)
        self.sequences, self._marks = _read_header(idx_path(self.prefix))
        self.documents = self._marks - 1
        self.tokens = _status(bin_path(self.prefix)).st_size
        self._inodes = [_status(path(self.prefix)).st_ino for path in (bin_path, idx_path)]

    def read_into(self, start: int, tokens: Ids) -> None:
        """Fill `tokens` with those from `start` on."""
        view, done = memoryview(tokens.data), 0
        while done < len(view):
            count = os.preadv(self._bin, [view[done:]], start + done)
            if not count:
                raise InputError(
                    "is shorter than when it was opened", where=bin_path(self.prefix), fix=_REMEDY, kind="file-shrank"
                )
            done += count

    def starts(self, first: int, last: int) -> npt.NDArray[np.int64]:
        """Where documents [first, last) begin among the tokens, then where the last of them ends: [last - first + 1].

        Errors: `InputError` for an index whose documents are out of order.
        """
        marks = self._column(HEADER.size + 12 * self.sequences, first, last + 1)
        low, high = int(marks[0]), int(marks[-1])
        if not 0 <= low <= high <= self.sequences or not _rises(marks):
            raise self._out_of_order()
        offsets = self._column(HEADER.size + 4 * self.sequences, low, min(high + 1, self.sequences))
        if high == self.sequences:
            offsets = np.append(offsets, self.tokens)
        starts = offsets if len(offsets) == len(marks) else offsets[marks - low]
        if starts[0] < 0 or starts[-1] > self.tokens or not _rises(starts):
            raise self._out_of_order()
        return starts

    def _column(self, offset: int, start: int, stop: int) -> npt.NDArray[np.int64]:
        data = os.pread(self._idx, 8 * (stop - start), offset + 8 * start)
        if len(data) != 8 * (stop - start):
            raise InputError(
                "is shorter than when it was opened", where=idx_path(self.prefix), fix=_REMEDY, kind="file-shrank"
            )
        return np.frombuffer(data, dtype="<i8")

    def _out_of_order(self) -> InputError:
        return InputError(
            "has documents out of order", where=idx_path(self.prefix), fix=_REMEDY, kind="documents-out-of-order"
        )

    @cached_property
    def _bin(self) -> int:
        return _open(bin_path(self.prefix), self._inodes[0])

    @cached_property
    def _idx(self) -> int:
        return _open(idx_path(self.prefix), self._inodes[1])

    def close(self) -> None:
        """Give the file handles back; the next read opens them again."""
        for name in _HANDLES:
            if name in self.__dict__:
                os.close(self.__dict__.pop(name))

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in _HANDLES}

    def __del__(self) -> None:
        self.close()


_HANDLES = ("_bin", "_idx")


@njit(cache=True, nogil=True)
def _rises(values):  # type: ignore[no-untyped-def]
    """Whether each value is above the one before it; several times as fast as `numpy.diff` on a thousand."""
    falls = 0
    for place in range(1, len(values)):
        falls += values[place] <= values[place - 1]
    return falls == 0


def _read_header(path: Path) -> tuple[int, int]:
    """Numbers of sequences and of document marks."""
    size = _status(path).st_size
    with open(path, "rb") as stream:
        header = stream.read(HEADER.size)
    if len(header) < HEADER.size or not header.startswith(MAGIC):
        raise InputError("is not a Megatron index", where=path, fix=_REMEDY, kind="not-a-megatron-index")
    _, version, dtype, sequences, marks = HEADER.unpack(header)
    if version != VERSION:
        raise InputError(
            f"has format version {version}, not {VERSION}", where=path, fix=_REMEDY, kind="megatron-index-version"
        )
    if dtype != UINT8:
        raise InputError(
            f"holds tokens of dtype code {dtype}, not uint8 (1)", where=path, fix=_REMEDY, kind="token-dtype"
        )
    if not marks or size < idx_size(sequences, marks):
        raise InputError(
            f"is truncated: {size:,} of {idx_size(sequences, marks):,} bytes",
            where=path,
            fix=_REMEDY,
            kind="index-truncated",
        )
    return sequences, marks


def _open(path: Path, inode: int) -> int:
    """A handle. Errors: `InputError` if another file has taken the name, since its tokens would be another corpus's."""
    handle = os.open(path, os.O_RDONLY)
    if os.fstat(handle).st_ino != inode:
        os.close(handle)
        fix = "Run the command again. Do not change a corpus that is in use."
        raise InputError("was replaced while it was in use", where=path, fix=fix, kind="index-replaced")
    return handle


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise InputError("does not exist", where=path, fix=_REMEDY, kind="missing-file") from None
