"""Safetensors shards, written tensor by tensor.

`safetensors.torch.save_file` wants all tensors of a shard in memory. Here the header is written first, since names,
shapes and dtype are known, and each tensor follows as it comes.
"""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from conversion.files.dtypes import DTYPES
from conversion.files.flushed_file import FlushedFile
from conversion.files.mapped_file import blocks
from conversion.huggingface.safetensors_reader import INDEX, SINGLE
from conversion.weight_table import Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

SHARD_BYTES = 5_000_000_000


class SafetensorsWriter:
    """Writes `tensors` (shape by name, in the order in which they will come) as `dtype` into `directory`.

    One file, or several of at most `SHARD_BYTES` (a single larger tensor gets a file of its own) and their index;
    with `file` one of that name, whatever its size.
    """

    def __init__(self, directory: Path, tensors: Mapping[str, Shape], *, dtype: str, file: str | None = None) -> None:
        self._directory, self._shapes, self._dtype = directory, dict(tensors), DTYPES[dtype]
        self._shards = {file: list(tensors)} if file else _plan(self._shapes, self._dtype.itemsize)
        self._file_of = {name: file for file, names in self._shards.items() for name in names}
        self._pending = list(self._shapes)[::-1]
        self._file: FlushedFile | None = None

    def __enter__(self) -> "SafetensorsWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
        if kind is None:
            assert not self._pending, f"{self._pending[-1]} was not written"
            self._write_index()

    def write(self, name: str, pieces: Iterable["Array"]) -> None:
        """Append the tensor `name`, which must be the next one of the plan, as its rows in order."""
        expected = self._pending.pop()
        assert name == expected, (name, expected)
        path = self._directory / self._file_of[name]
        if self._file is None or self._file.path != path:
            if self._file is not None:
                self._file.close()
            self._file = self._begin(path)
        begin = self._file.position
        for block in blocks(pieces):
            self._file.write(block)
        assert self._file.position - begin == math.prod(self._shapes[name]) * self._dtype.itemsize, name

    def _begin(self, path: Path) -> FlushedFile:
        """Open a shard and write its header, padded with blanks to a multiple of 8 bytes."""
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name in self._shards[path.name]:
            start, end = end, end + math.prod(self._shapes[name]) * self._dtype.itemsize
            shape = list(self._shapes[name])
            header[name] = {"dtype": self._dtype.safetensors, "shape": shape, "data_offsets": [start, end]}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        opened = FlushedFile(path)
        opened.write(len(text).to_bytes(8, "little") + text)
        return opened

    def _write_index(self) -> None:
        if len(self._shards) > 1:
            total = sum(math.prod(shape) for shape in self._shapes.values()) * self._dtype.itemsize
            content = {"metadata": {"total_size": total}, "weight_map": self._file_of}
            (self._directory / INDEX).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _plan(shapes: Mapping[str, Shape], itemsize: int) -> dict[str, list[str]]:
    """Names of the tensors of each file, in order."""
    shards: list[list[str]] = [[]]
    size = 0
    for name, shape in shapes.items():
        more = math.prod(shape) * itemsize
        if shards[-1] and size + more > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += more
    if len(shards) == 1:
        return {SINGLE: shards[0]}
    return {f"model-{i:05d}-of-{len(shards):05d}.safetensors": names for i, names in enumerate(shards, start=1)}
