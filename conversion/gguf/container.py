"""The GGUF container, version 3: values by key, a list of tensors, their bytes. Nothing in it can be run.

    "GGUF" version  tensors  values | key type value ... | name shape type offset ... | padding | tensors, each padded

All numbers are little-endian. Shapes are written with the last dimension first. Offsets count from the first tensor.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conversion.files.flushed_file import FlushedFile
from conversion.files.mapped_file import MappedFile
from foundation.errors import InputError

MAGIC, VERSION, ALIGNMENT = b"GGUF", 3, 32
Shape = tuple[int, ...]
Value = str | bool | int | float | list[str] | list[int] | list[float]

_HEADER = 1 << 24
"""Bytes that values and tensor list may take; ours take a few kilobytes, and 70 bytes per tensor."""


@dataclass(frozen=True, kw_only=True)
class TensorType:
    """A format of numbers: `block` of them in `bytes`."""

    number: int
    block: int
    bytes: int

    def size(self, shape: Shape) -> int:
        """Bytes of a tensor."""
        return math.prod(shape) // self.block * self.bytes


TENSOR_TYPES = {
    "float32": TensorType(number=0, block=1, bytes=4),
    "float16": TensorType(number=1, block=1, bytes=2),
    "q8_0": TensorType(number=8, block=32, bytes=34),
    "bfloat16": TensorType(number=30, block=1, bytes=2),
}
_OF_NUMBER = {one.number: name for name, one in TENSOR_TYPES.items()}

_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_UINT32, _INT32, _FLOAT32, _BOOL = 4, 5, 6, 7


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A tensor: its type's name in `TENSOR_TYPES`, its shape, and where in the file it begins."""

    type: str
    shape: Shape
    start: int


def write_header(file: FlushedFile, values: Mapping[str, Value], tensors: Mapping[str, tuple[str, Shape]]) -> None:
    """Write all that comes before the tensors, given as type and shape in the order in which they will follow."""
    parts = [MAGIC, struct.pack("<IQQ", VERSION, len(tensors), len(values))]
    for key, value in values.items():
        kind, content = _encoded(value)
        parts += [_string(key), struct.pack("<I", kind), content]
    offset = 0
    for name, (kind_name, shape) in tensors.items():
        stored = TENSOR_TYPES[kind_name]
        dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        parts += [_string(name), dimensions, struct.pack("<IQ", stored.number, offset)]
        offset += padded(stored.size(shape))
    file.write(b"".join(parts))
    file.write(bytes(-file.position % ALIGNMENT))


def padded(size: int) -> int:
    """`size` with the padding that follows a tensor."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def read_header(file: MappedFile) -> tuple[dict[str, Value], dict[str, Stored]]:
    """Values and tensors of a file. Errors: `InputError` for what is not such a file, or is cut short."""
    try:
        return _Cursor(file).header(file.path)
    except (struct.error, UnicodeDecodeError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        problem = f"is truncated, or not a GGUF file of version {VERSION} ({error})"
        raise InputError(problem, where=file.path, fix="Copy the file again.", kind="gguf-damaged") from error


def _encoded(value: Value) -> tuple[int, bytes]:
    """Type and bytes of a value."""
    if isinstance(value, list):
        items = [_encoded(one) for one in value]
        kind = items[0][0] if items[0][0] != _UINT32 else _INT32
        return _ARRAY, struct.pack("<IQ", kind, len(items)) + b"".join(content for _, content in items)
    if isinstance(value, str):
        return _STRING, _string(value)
    kind = _BOOL if isinstance(value, bool) else _UINT32 if isinstance(value, int) else _FLOAT32
    return kind, struct.pack(_NUMBERS[kind], value)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


class _Cursor:
    """Reads from the beginning of a file on."""

    def __init__(self, file: MappedFile) -> None:
        self._data, self._place, self._size = file.bytes(0, min(file.size, _HEADER)), 0, file.size

    def header(self, path: Path) -> tuple[dict[str, Value], dict[str, Stored]]:
        magic = self._take(4)
        version, tensors, values = self._numbers("<IQQ")
        if magic != MAGIC or version != VERSION:
            raise ValueError(f"it begins with {magic!r}, version {version}")
        found: dict[str, Value] = {}
        for _ in range(values):
            self._add(found, self._string(), self._value(*self._numbers("<I")))
        listed: dict[str, tuple[str, Shape, int]] = {}
        for _ in range(tensors):
            self._add(listed, self._string(), self._tensor(path))
        if found.get("general.alignment", ALIGNMENT) != ALIGNMENT:
            raise ValueError(f"it aligns to {found['general.alignment']} bytes")
        return found, self._placed(listed)

    def _placed(self, listed: Mapping[str, tuple[str, Shape, int]]) -> dict[str, Stored]:
        """The tensors where they lie; they must follow one another, and end where the file ends."""
        start = end = padded(self._place)
        placed = {}
        for name, (kind, shape, offset) in listed.items():
            if start + offset != end:
                raise ValueError(f"{name!r} does not follow the tensor before it")
            placed[name] = Stored(type=kind, shape=shape, start=end)
            end += padded(TENSOR_TYPES[kind].size(shape))
        if end != self._size:
            raise ValueError(f"its tensors end at byte {end:,}, and it has {self._size:,}")
        return placed

    def _tensor(self, path: Path) -> tuple[str, Shape, int]:
        (rank,) = self._numbers("<I")
        if rank > 4:
            raise ValueError(f"a tensor of {rank} dimensions")
        shape = tuple(reversed(self._numbers(f"<{rank}Q")))
        number, offset = self._numbers("<IQ")
        if number not in _OF_NUMBER:
            fix = "Give a file of float32, float16, bfloat16 or Q8_0."
            raise InputError(f"a tensor has the type {number}", where=path, fix=fix, kind="gguf-type")
        if math.prod(shape) > self._size * 2:
            raise ValueError(f"a tensor of shape {list(shape)}")
        return _OF_NUMBER[number], shape, offset

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._numbers(_NUMBERS[self._known_type(kind)])[0]
        item, count = self._numbers("<IQ")
        if item == _STRING:
            return [self._string() for _ in range(count)]
        letter = _NUMBERS[self._known_type(item)][1]
        return list(self._numbers(f"<{self._affordable(count)}{letter}"))

    def _known_type(self, kind: int) -> int:
        if kind not in _NUMBERS:
            raise ValueError(f"a value of the type {kind}")
        return kind

    def _affordable(self, count: int) -> int:
        if count > len(self._data):
            raise ValueError(f"{count} values")
        return count

    def _string(self) -> str:
        return self._take(self._numbers("<Q")[0]).decode()

    def _numbers(self, format: str) -> tuple[int, ...]:
        return struct.unpack(format, self._take(struct.calcsize(format)))

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self._place:
            raise ValueError(f"it ends at byte {len(self._data):,}")
        self._place += count
        return self._data[self._place - count : self._place]

    def _add(self, found: dict[str, Value] | dict[str, tuple[str, Shape, int]], name: str, value: object) -> None:
        if name in found:
            raise ValueError(f"it has {name!r} twice")
        found[name] = value  # type: ignore[assignment]
