"""`torch.save` archives written without torch, their numbers streamed: a zip file of stored entries.

    data.pkl     the pickle; a tensor in it names its storage by number
    byteorder    "little"
    data/N       the numbers of storage N, at a multiple of 64 bytes
    version      "3"

All sizes are 64-bit ones (zip64), since a chunk of an optimizer's buffer can be larger than 4 GiB.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.files.dtypes import DTYPES
from conversion.files.flushed_file import FlushedFile
from conversion.files.mapped_file import blocks
from conversion.files.pickle_writer import Call, Global, Persistent, dumps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Shape = tuple[int, ...]

_ALIGNMENT = 64
_VERSION = 45  # of the zip format, the first with 64-bit sizes
_IN_ZIP64 = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class _Entry:
    name: bytes
    start: int
    size: int
    crc: int


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor to be written: its rows in order, as contiguous arrays of raw numbers."""

    dtype: str
    shape: "Shape"
    rows: Iterable["Array"]


def write_archive(file: FlushedFile, value: Any) -> tuple[int, int]:
    """Append the archive of `value`: a `Tensor`, or what `pickle_writer` takes with `Tensor`s in it.

    Returns start and length of it in bytes.
    """
    start = file.position
    tensors: list[Tensor] = []
    pickled = dumps(_numbered(value, tensors))
    entries = [_write(file, start, "data.pkl", [pickled]), _write(file, start, "byteorder", [b"little"])]
    for number, tensor in enumerate(tensors):
        entries.append(_write(file, start, f"data/{number}", blocks(tensor.rows)))
        assert entries[-1].size == math.prod(tensor.shape) * DTYPES[tensor.dtype].itemsize, tensor.shape
    entries.append(_write(file, start, "version", [b"3\n"]))
    _write_directory(file, start, entries)
    return start, file.position - start


def save(path: Path, value: Any) -> None:
    """Write what `torch.save(value, path)` would."""
    with FlushedFile(path) as file:
        write_archive(file, value)


def _numbered(value: Any, tensors: list[Tensor]) -> Any:
    """`value` with each `Tensor` as a reference to a storage, and the tensors in the order of their storages."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return _reference(value, str(len(tensors) - 1))
    if isinstance(value, Mapping):
        return {key: _numbered(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbered(item, tensors) for item in value]
    return tuple(_numbered(item, tensors) for item in value) if isinstance(value, tuple) else value


def _reference(tensor: Tensor, storage: str) -> Call:
    """How torch pickles a contiguous tensor whose numbers are in `storage`."""
    strides = tuple(math.prod(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape)))
    kind = Global("torch", DTYPES[tensor.dtype].storage)
    place = Persistent(("storage", kind, storage, "cpu", math.prod(tensor.shape)))
    return Call(
        Global("torch._utils", "_rebuild_tensor_v2"),
        (place, 0, tensor.shape, strides, False, Call(Global("collections", "OrderedDict"))),
    )


def _write(file: FlushedFile, archive: int, name: str, data: Iterable[bytes | memoryview]) -> _Entry:
    """One entry; its header is written last, since it has the size and checksum."""
    from isal.isal_zlib import crc32

    full = f"archive/{name}".encode()
    position = file.position
    header = 30 + len(full) + 20 + 4
    padding = -(position - archive + header) % _ALIGNMENT
    file.write(bytes(header + padding))
    begin, crc = file.position, 0
    for block in data:
        file.write(block)
        crc = crc32(block, crc)
    size = file.position - begin
    fixed = struct.pack(
        "<4s5H3I2H", b"PK\x03\x04", _VERSION, 0, 0, 0, 0, crc, _IN_ZIP64, _IN_ZIP64, len(full), 24 + padding
    )
    extra = struct.pack("<2H2Q", 1, 16, size, size) + struct.pack("<2sH", b"FB", padding)
    file.write_at(position, fixed + full + extra)
    return _Entry(name=full, start=position - archive, size=size, crc=crc)


def _write_directory(file: FlushedFile, archive: int, entries: list[_Entry]) -> None:
    begin = file.position
    for entry in entries:
        extra = struct.pack("<2H3Q", 1, 24, entry.size, entry.size, entry.start)
        fixed = struct.pack("<4s6H3I", b"PK\x01\x02", _VERSION, _VERSION, 0, 0, 0, 0, entry.crc, _IN_ZIP64, _IN_ZIP64)
        lengths = struct.pack("<5H2I", len(entry.name), len(extra), 0, 0, 0, 0, _IN_ZIP64)
        file.write(fixed + lengths + entry.name + extra)
    end, count = file.position, len(entries)
    file.write(
        struct.pack(
            "<4sQ2H2I4Q", b"PK\x06\x06", 44, _VERSION, _VERSION, 0, 0, count, count, end - begin, begin - archive
        )
        + struct.pack("<4sIQI", b"PK\x06\x07", 0, end - archive, 1)
        + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, _IN_ZIP64, _IN_ZIP64, 0)
    )
