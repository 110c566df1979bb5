"""Safetensors shards, written tensor by tensor.

`safetensors.torch.save_file` wants all tensors of a shard in memory. Here the header is written first, since names,
shapes and dtype are known, and each tensor follows as it comes. Format: 8 bytes of header length (little-endian),
the header as JSON, the tensors' bytes end to end.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

from conversion.hf_checkpoint import INDEX, SINGLE
from conversion.weight_table import Shape

if TYPE_CHECKING:
    import torch

SHARD_BYTES = 5_000_000_000

_NAMES = {"float32": ("F32", 4), "bfloat16": ("BF16", 2), "float16": ("F16", 2)}


class SafetensorsWriter:
    """Writes `tensors` (shape by name, in the order in which they will come) as `dtype` into `directory`.

    One file, or several of at most `shard_bytes` (a single larger tensor gets a file of its own) and their index.
    """

    def __init__(
        self, directory: Path, tensors: Mapping[str, Shape], *, dtype: str, shard_bytes: int = SHARD_BYTES
    ) -> None:
        self._directory, self._shapes, self._dtype = directory, dict(tensors), dtype
        self._shards = _plan(self._shapes, _NAMES[dtype][1], shard_bytes)
        self._file_of = {name: file for file, names in self._shards.items() for name in names}
        self._pending = list(self._shapes)[::-1]
        self._file: IO[bytes] | None = None
        self._open_name = ""

    def __enter__(self) -> "SafetensorsWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
        if kind is None:
            assert not self._pending, f"{self._pending[-1]} was not written"
            self._write_index()

    def write(self, name: str, tensor: "torch.Tensor") -> None:
        """Append `tensor`, which must be the next one of the plan."""
        import torch

        expected = self._pending.pop()
        assert (name, tuple(tensor.shape)) == (expected, self._shapes[expected]), (name, tensor.shape, expected)
        assert tensor.dtype == getattr(torch, self._dtype), (name, tensor.dtype)
        if self._file is None or self._open_name != self._file_of[name]:
            if self._file is not None:
                self._file.close()
            self._file, self._open_name = self._begin(self._file_of[name]), self._file_of[name]
        self._file.write(tensor.contiguous().view(torch.uint8).numpy().data)

    def _begin(self, file: str) -> IO[bytes]:
        """Open a shard and write its header, padded with blanks to a multiple of 8 bytes."""
        code, itemsize = _NAMES[self._dtype]
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name in self._shards[file]:
            start, end = end, end + math.prod(self._shapes[name]) * itemsize
            header[name] = {"dtype": code, "shape": list(self._shapes[name]), "data_offsets": [start, end]}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        opened = (self._directory / file).open("wb")
        opened.write(len(text).to_bytes(8, "little") + text)
        return opened

    def _write_index(self) -> None:
        if len(self._shards) > 1:
            total = sum(math.prod(shape) for shape in self._shapes.values()) * _NAMES[self._dtype][1]
            content = {"metadata": {"total_size": total}, "weight_map": self._file_of}
            (self._directory / INDEX).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _plan(shapes: Mapping[str, Shape], itemsize: int, shard_bytes: int) -> dict[str, list[str]]:
    """Names of the tensors of each file, in order."""
    shards: list[list[str]] = [[]]
    size = 0
    for name, shape in shapes.items():
        more = math.prod(shape) * itemsize
        if shards[-1] and size + more > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += more
    if len(shards) == 1:
        return {SINGLE: shards[0]}
    return {f"model-{i:05d}-of-{len(shards):05d}.safetensors": names for i, names in enumerate(shards, start=1)}
