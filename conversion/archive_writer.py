"""`torch.save` archives written without torch, their numbers streamed: a zip file of stored entries.

    data.pkl     the pickle; a tensor in it names its storage by number
    byteorder    "little"
    data/N       the numbers of storage N, at a multiple of 64 bytes
    version      "3"

All sizes are 64-bit ones (zip64), since a chunk of an optimizer's buffer can be larger than 4 GiB.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conversion.dtypes import DTYPES
from conversion.flushed_file import FlushedFile, blocks
from conversion.pickle_writer import Call, Global, Persistent, dumps

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


def tensor_pickle(dtype: str, shape: "Shape", storage: str = "0") -> Call:
    """A contiguous tensor whose numbers are in `storage`."""
    count, strides = 1, [0] * len(shape)
    for axis in reversed(range(len(shape))):
        strides[axis] = count
        count *= shape[axis]
    place = Persistent(("storage", Global("torch", DTYPES[dtype].storage), storage, "cpu", count))
    return Call(
        Global("torch._utils", "_rebuild_tensor_v2"),
        (place, 0, shape, tuple(strides), False, Call(Global("collections", "OrderedDict"))),
    )


def write_tensor(file: FlushedFile, dtype: str, shape: "Shape", pieces: Iterable["Array"]) -> tuple[int, int]:
    """Append the archive of one tensor, its rows given as contiguous `pieces`; start and length of it in bytes."""
    return write_archive(file, tensor_pickle(dtype, shape), [pieces])


def write_archive(file: FlushedFile, value: Any, storages: Sequence[Iterable["Array"]] = ()) -> tuple[int, int]:
    """Append the archive of `value`, as `pickle_writer` takes it; start and length of it in bytes."""
    start = file.position
    entries = [_write(file, start, "data.pkl", [dumps(value)]), _write(file, start, "byteorder", [b"little"])]
    entries += [_write(file, start, f"data/{key}", blocks(pieces)) for key, pieces in enumerate(storages)]
    entries.append(_write(file, start, "version", [b"3\n"]))
    _write_directory(file, start, entries)
    return start, file.position - start


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
        file.write(
            struct.pack(
                "<4s6H3I5H2I", b"PK\x01\x02", _VERSION, _VERSION, 0, 0, 0, 0, entry.crc, _IN_ZIP64, _IN_ZIP64,
                len(entry.name), len(extra), 0, 0, 0, 0, _IN_ZIP64,
            )  # fmt: skip
            + entry.name
            + extra
        )
    end, count = file.position, len(entries)
    file.write(
        struct.pack(
            "<4sQ2H2I4Q", b"PK\x06\x06", 44, _VERSION, _VERSION, 0, 0, count, count, end - begin, begin - archive
        )
        + struct.pack("<4sIQI", b"PK\x06\x07", 0, end - archive, 1)
        + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, _IN_ZIP64, _IN_ZIP64, 0)
    )
