"""Tensors out of the shards of a `torch_dist` checkpoint, assembled from their chunks."""

import io
import math
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conduct.errors import InputError
from conversion.dcp_metadata import Chunk, StoredTensor

if TYPE_CHECKING:
    import torch

Indices = tuple[int, ...]


def read_region(name: str, stored: StoredTensor, leading: Indices, *, where: Path) -> "torch.Tensor":
    """The part of `stored` at the indices `leading` of its first dimensions, shape `stored.shape[len(leading):]`.

    Errors: `InputError`, with `where` the `.metadata`, for chunks that leave a gap or overlap, or cannot be read.
    """
    import torch

    rest = len(leading)
    chunks = [chunk for chunk in stored.chunks if _holds(chunk, leading)]
    covered = sum(math.prod(chunk.shape[rest:]) for chunk in chunks)
    if covered != math.prod(stored.shape[rest:]) or any(_overlap(a, b, rest) for a, b in combinations(chunks, 2)):
        raise InputError(f"the chunks of {name!r} do not make up the whole tensor", where=where)
    if len(chunks) == 1:
        return _load(chunks[0], stored, name)[_within(chunks[0], leading)]
    whole = torch.empty(stored.shape[rest:], dtype=getattr(torch, stored.dtype))
    for chunk in chunks:
        whole[_place(chunk, rest)] = _load(chunk, stored, name)[_within(chunk, leading)]
    return whole


def _holds(chunk: Chunk, leading: Indices) -> bool:
    stacked = len(leading)
    pairs = zip(leading, chunk.offsets[:stacked], chunk.shape[:stacked], strict=True)
    return all(offset <= index < offset + size for index, offset, size in pairs)


def _within(chunk: Chunk, leading: Indices) -> Indices:
    """The indices `leading` of the tensor as those of the chunk."""
    return tuple(index - offset for index, offset in zip(leading, chunk.offsets[: len(leading)], strict=True))


def _place(chunk: Chunk, rest: int) -> tuple[slice, ...]:
    """Where the chunk lies in the tensor, without the first `rest` dimensions."""
    return tuple(slice(o, o + size) for o, size in zip(chunk.offsets[rest:], chunk.shape[rest:], strict=True))


def _overlap(a: Chunk, b: Chunk, rest: int) -> bool:
    sides = zip(_place(a, rest), _place(b, rest), strict=True)
    return all(x.start < y.stop and y.start < x.stop for x, y in sides)


def _load(chunk: Chunk, stored: StoredTensor, name: str) -> "torch.Tensor":
    """One chunk. Only a tensor can come out of it, and only the one that `.metadata` describes."""
    import torch

    try:
        with chunk.file.open("rb") as file:
            part: Any = _Part(file, chunk.start, chunk.length)
            tensor = torch.load(part, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError, KeyError, ...
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{name!r} at byte {chunk.start} is no readable tensor ({reason})",
            where=chunk.file,
            fix="Copy the checkpoint anew.",
        ) from error
    if not isinstance(tensor, torch.Tensor):
        raise InputError(f"{name!r} at byte {chunk.start} is no tensor", where=chunk.file)
    if tuple(tensor.shape) != chunk.shape or str(tensor.dtype) != f"torch.{stored.dtype}":
        raise InputError(
            f"{name!r} at byte {chunk.start} is {list(tensor.shape)} {tensor.dtype}, "
            f"`.metadata` says {list(chunk.shape)} {stored.dtype}",
            where=chunk.file,
        )
    return tensor


class _Part(io.RawIOBase):
    """`length` bytes of `file` from `start` on, as a file of their own: torch reads them without another copy."""

    def __init__(self, file: io.BufferedReader, start: int, length: int) -> None:
        self._file, self._start, self._length, self._position = file, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view = view[: max(0, min(len(view), self._length - self._position))]
        self._file.seek(self._start + self._position)
        count = self._file.readinto(view)
        self._position += count
        return count
