"""Tensors out of the shards of a `torch_dist` checkpoint, assembled from their chunks."""

import math
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.files.archive_reader import check_archive, read_tensor
from conversion.files.dtypes import DTYPES, raw
from conversion.files.mapped_file import MappedFile, ShrankError, loaded
from conversion.megatron.dcp_metadata import Chunk, StoredTensor
from foundation.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Indices = tuple[int, ...]

_MOST_CHUNKS = 4096
"""Of one weight. Two a rank are usual; comparing each with each takes the square."""


class Shards:
    """The files of a `torch_dist` directory, mapped when they are first needed."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._files: dict[Path, MappedFile] = {}

    def region(self, name: str, stored: StoredTensor, leading: Indices) -> "Array":
        """The part of `stored` at the indices `leading` of its first dimensions, shape `stored.shape[len(leading):]`.

        It is a view of the file where one chunk holds it. Errors: `InputError` for chunks that leave a gap or
        overlap, or cannot be read.
        """
        import numpy as np

        rest = len(leading)
        chunks = [chunk for chunk in stored.chunks if _holds(chunk, leading)]
        if len(chunks) > _MOST_CHUNKS:
            raise InputError(
                f"{name!r} is in {len(chunks)} chunks",
                where=self._where,
                fix="That cannot be right.",
                kind="chunk-count",
            )
        covered = sum(math.prod(chunk.shape[rest:]) for chunk in chunks)
        if covered != math.prod(stored.shape[rest:]) or any(_overlap(a, b, rest) for a, b in combinations(chunks, 2)):
            raise InputError(
                f"the chunks of {name!r} do not make up the whole tensor", where=self._where, kind="chunks-incomplete"
            )
        files = {chunk.file for chunk in chunks}
        if covered * DTYPES[stored.dtype].itemsize > sum(self._file(path).size for path in files):
            raise InputError(
                f"{name!r} is larger than the files that it is in", where=self._where, kind="tensor-too-large"
            )
        if len(chunks) == 1:
            view: Array = self.chunk(name, stored, chunks[0])[_within(chunks[0], leading)]
            return view
        whole = np.empty(stored.shape[rest:], raw(stored.dtype))
        for chunk in chunks:
            whole[_place(chunk, rest)] = loaded(self.chunk(name, stored, chunk)[_within(chunk, leading)])
        return whole

    def chunk(self, name: str, stored: StoredTensor, chunk: Chunk) -> "Array":
        """One chunk, raw. Only a tensor can come out of it, and only the one that `.metadata` describes."""
        file = self._file(chunk.file)
        try:
            found = read_tensor(file, chunk.start, chunk.length)
        except ShrankError:
            raise
        except Exception as error:  # zipfile and pickle raise BadZipFile, UnpicklingError, EOFError, KeyError, ...
            raise InputError(
                f"{name!r} at byte {chunk.start} is not a readable tensor ({error})",
                where=chunk.file,
                fix="Copy the checkpoint again.",
                kind="chunk-unreadable",
            ) from error
        if found.shape != chunk.shape or found.dtype != stored.dtype:
            raise InputError(
                f"{name!r} at byte {chunk.start} is {list(found.shape)} {found.dtype}, "
                f"`.metadata` says {list(chunk.shape)} {stored.dtype}",
                where=chunk.file,
                kind="chunk-disagrees",
            )
        return file.array(found.start, found.shape, found.dtype)

    def check(self, name: str, chunk: Chunk) -> None:
        """Check a chunk against the checksums of its archive. Errors: `InputError`."""
        try:
            check_archive(self._file(chunk.file), chunk.start, chunk.length)
        except ShrankError:
            raise
        except Exception as error:  # as above
            raise InputError(
                f"{name!r} at byte {chunk.start} is damaged ({error})",
                where=chunk.file,
                fix="Copy the checkpoint again.",
                kind="chunk-damaged",
            ) from error

    def _file(self, path: Path) -> MappedFile:
        if path not in self._files:
            self._files[path] = MappedFile(path)
        return self._files[path]


def _holds(chunk: Chunk, leading: Indices) -> bool:
    stacked = len(leading)
    pairs = zip(leading, chunk.offsets[:stacked], chunk.shape[:stacked], strict=True)
    return all(offset <= index < offset + size for index, offset, size in pairs)


def _within(chunk: Chunk, leading: Indices) -> Indices:
    """The indices `leading` of the tensor as those of the chunk."""
    return tuple(index - offset for index, offset in zip(leading, chunk.offsets[: len(leading)], strict=True))


def _place(chunk: Chunk, rest: int) -> tuple[slice, ...]:
    """Position of the chunk in the tensor, without the first `rest` dimensions."""
    return tuple(slice(o, o + size) for o, size in zip(chunk.offsets[rest:], chunk.shape[rest:], strict=True))


def _overlap(a: Chunk, b: Chunk, rest: int) -> bool:
    sides = zip(_place(a, rest), _place(b, rest), strict=True)
    return all(x.start < y.stop and y.start < x.stop for x, y in sides)
