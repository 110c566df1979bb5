"""Reading one Megatron indexed dataset of uint8 tokens: any range of its tokens, where its documents begin.

Reads by `pread`, not by mmap: on cold random reads of a large file mmap reads some 300 times what is asked for.
"""

import os
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conduct.errors import InputError
from corpus.store.index_format import HEADER, MAGIC, UINT8, VERSION, bin_path, idx_path, idx_size
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
        self.tokens = _size(bin_path(self.prefix))

    def read_into(self, start: int, tokens: Ids) -> None:
        """Fill `tokens` with those from `start` on."""
        _read_exactly(self._bin, bin_path(self.prefix), memoryview(tokens.data), start)

    def starts(self, first: int, last: int) -> npt.NDArray[np.int64]:
        """Where documents [first, last) begin among the tokens, then where the last of them ends: [last - first + 1].

        Errors: `InputError` for an index whose documents are out of order.
        """
        marks = self._column(HEADER.size + 12 * self.sequences, first, last + 1)
        low, high = int(marks[0]), int(marks[-1])
        if not 0 <= low <= high <= self.sequences or (np.diff(marks) <= 0).any():
            raise self._out_of_order()
        offsets = self._column(HEADER.size + 4 * self.sequences, low, min(high + 1, self.sequences))
        if high == self.sequences:
            offsets = np.append(offsets, self.tokens)
        starts: npt.NDArray[np.int64] = offsets[marks - low]
        if starts[0] < 0 or starts[-1] > self.tokens or (np.diff(starts) <= 0).any():
            raise self._out_of_order()
        return starts

    def _column(self, offset: int, start: int, stop: int) -> npt.NDArray[np.int64]:
        values = np.empty(stop - start, dtype="<i8")
        if len(values):
            _read_exactly(self._idx, idx_path(self.prefix), memoryview(values.data).cast("B"), offset + 8 * start)
        return values.astype(np.int64, copy=False)

    def _out_of_order(self) -> InputError:
        return InputError("has documents out of order", where=idx_path(self.prefix), fix=_REMEDY)

    @cached_property
    def _bin(self) -> int:
        return os.open(bin_path(self.prefix), os.O_RDONLY)

    @cached_property
    def _idx(self) -> int:
        return os.open(idx_path(self.prefix), os.O_RDONLY)

    def close(self) -> None:
        """Give the file handles back; the next read opens them anew."""
        for name in _HANDLES:
            if name in self.__dict__:
                os.close(self.__dict__.pop(name))

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in _HANDLES}

    def __del__(self) -> None:
        self.close()


_HANDLES = ("_bin", "_idx")


def _read_exactly(handle: int, path: Path, view: memoryview, offset: int) -> None:
    done = 0
    while done < len(view):
        count = os.preadv(handle, [view[done:]], offset + done)
        if not count:
            raise InputError("is shorter than when it was opened", where=path, fix=_REMEDY)
        done += count


def _read_header(path: Path) -> tuple[int, int]:
    """Numbers of sequences and of document marks."""
    size = _size(path)
    with open(path, "rb") as stream:
        header = stream.read(HEADER.size)
    if len(header) < HEADER.size or not header.startswith(MAGIC):
        raise InputError("is no Megatron index", where=path, fix=_REMEDY)
    _, version, dtype, sequences, marks = HEADER.unpack(header)
    if version != VERSION:
        raise InputError(f"has format version {version}, not {VERSION}", where=path, fix=_REMEDY)
    if dtype != UINT8:
        raise InputError(f"holds tokens of dtype code {dtype}, not uint8 (1)", where=path, fix=_REMEDY)
    if not marks or size < idx_size(sequences, marks):
        raise InputError(f"is truncated: {size:,} of {idx_size(sequences, marks):,} bytes", where=path, fix=_REMEDY)
    return sequences, marks


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise InputError("does not exist", where=path, fix=_REMEDY) from None
