"""`torch.save` archives read as data, without torch: where in a file the numbers of a tensor lie.

Only a contiguous tensor of a plain storage comes out of an archive, and nothing in it can be called.
"""

import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conversion.files.dtypes import DTYPES, OF_STORAGE
from conversion.files.mapped_file import MappedFile, blocks
from conversion.files.pickle_reader import LIMIT, DataUnpickler, StandIn, empty_dict
from foundation.errors import shown

Shape = tuple[int, ...]

MOST_DIMENSIONS = 64
"""Of a tensor; torch's own limit."""

_LONGEST_KEY = 100
"""Characters in the name of a storage."""


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The numbers `start` to `start + count * itemsize` of a file."""

    dtype: str
    start: int
    count: int


@dataclass(frozen=True, kw_only=True)
class StoredArray:
    """A tensor in a file: its numbers lie together, in C order, from the byte `start` on."""

    dtype: str
    shape: Shape
    start: int


def read_tensor(file: MappedFile, start: int, length: int) -> StoredArray:
    """The tensor of the archive that takes `length` bytes of `file` from `start` on.

    Errors: `ValueError` (or what `zipfile` and `pickle` raise) for anything else than one plain tensor.
    """
    value = read_archive(file, start, length)
    if not isinstance(value, StoredArray):
        raise ValueError("not a tensor")
    return value


def read_archive(file: MappedFile, start: int, length: int, *, others: Callable[[str], Any] | None = None) -> Any:
    """The value of the archive: plain Python values, and a `StoredArray` for each tensor.

    `others` makes what stands for any other class or function, given its name; without it they are errors.
    Errors: as `read_tensor`.
    """
    archive = _Archive(file, start, length)
    return _Unpickler(archive, others).load()


class Inert(StandIn):
    """Stand-in for objects of all classes that are not allowed; ignores its arguments."""

    name = ""

    def __new__(cls, *_: Any, **__: Any) -> "Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __repr__(self) -> str:
        return self.name


def inert(name: str) -> type[Inert]:
    """A class in place of the class or function `name`, which is not looked up."""
    return type("Inert", (Inert,), {"name": name})


def check_archive(file: MappedFile, start: int, length: int) -> None:
    """Check the checksums that the archive has of its own entries. Errors: `ValueError` for one that differs."""
    _Archive(file, start, length).check()


class _Archive:
    def __init__(self, file: MappedFile, start: int, length: int) -> None:
        self._file, self._start, self._length = file, start, length
        self._zip = zipfile.ZipFile(_Part(file, start, length))
        names = [name for name in self._zip.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError("no torch.save archive")
        self._prefix = names[0].removesuffix("data.pkl")
        order = f"{self._prefix}byteorder"
        if order in self._zip.namelist() and self.content("byteorder") != b"little":
            raise ValueError("its numbers are big-endian")

    def content(self, name: str) -> bytes:
        """A small entry, whole."""
        begin, size = self.place(name)
        if size > LIMIT:
            raise ValueError(f"{name} has {size} bytes")
        return self._file.bytes(begin, size)

    def check(self) -> None:
        """Compare each entry with its checksum."""
        from isal.isal_zlib import crc32

        for entry in self._zip.infolist():
            name = entry.filename.removeprefix(self._prefix)
            begin, size = self.place(name)
            crc = 0
            for block in blocks([self._file.array(begin, (size,), "uint8")]):
                crc = crc32(block, crc)
            if crc != entry.CRC:
                raise ValueError(f"the checksum of {name} differs")

    def place(self, name: str) -> tuple[int, int]:
        """Where the bytes of an entry lie in the file, and how many they are."""
        entry = self._zip.getinfo(self._prefix + name)
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size or entry.flag_bits & 1:
            raise ValueError(f"{name} is compressed or encrypted")
        header = self._file.bytes(self._start + self._inside(entry.header_offset, 30), 30)
        if header[:4] != b"PK\x03\x04":
            raise ValueError(f"{name} is not where the archive says")
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        return self._start + self._inside(entry.header_offset + 30 + lengths, entry.file_size), entry.file_size

    def _inside(self, offset: int, size: int) -> int:
        if offset < 0 or offset + size > self._length:
            raise ValueError(f"{size} bytes at {offset} are outside of the archive")
        return offset


class _Unpickler(DataUnpickler):
    """Finds `_rebuild_tensor_v2`, the classes of storages and `OrderedDict`, as functions that only describe."""

    def __init__(self, archive: _Archive, others: Callable[[str], Any] | None) -> None:
        super().__init__(archive.content("data.pkl"))
        self._archive, self._others = archive, others

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return empty_dict
        if module == "torch" and name in OF_STORAGE:
            return name
        if self._others is not None:
            return self._others(f"{module}.{name}")
        raise ValueError(f"it asks to load {module}.{name}, and nothing was run")

    def persistent_load(self, identity: Any) -> Storage:
        kind, storage, key, _, count = identity
        if (
            kind != "storage"
            or not isinstance(storage, str)
            or storage not in OF_STORAGE
            or type(count) is not int
            or not isinstance(key, str)
            or len(key) > _LONGEST_KEY
        ):
            raise ValueError(f"it refers to {shown(identity)}")
        dtype = OF_STORAGE[storage]
        start, size = self._archive.place(f"data/{key}")
        if count < 0 or size != count * dtype.itemsize:
            raise ValueError(f"a storage has {size} bytes, {count} numbers of {dtype.name} were announced")
        return Storage(dtype=dtype.name, start=start, count=count)


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> StoredArray:
    if not all(isinstance(sizes, tuple) and len(sizes) <= MOST_DIMENSIONS for sizes in (shape, strides)):
        raise ValueError("a tensor of impossible dimensions")
    sizes = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or any(type(size) is not int or not 0 <= size < 1 << 63 for size in sizes):
        raise ValueError("a tensor of impossible sizes")
    count = math.prod(shape)
    expected = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    contiguous = len(shape) == len(strides) and all(
        size == 1 or stride == step for size, stride, step in zip(shape, strides, expected, strict=True)
    )
    if count and not contiguous:
        raise ValueError("a tensor that is not contiguous")
    if offset + count > storage.count:
        raise ValueError("a tensor beyond the end of its storage")
    return StoredArray(
        dtype=storage.dtype, shape=tuple(shape), start=storage.start + offset * DTYPES[storage.dtype].itemsize
    )


class _Part(io.RawIOBase):
    """`length` bytes of a file from `start` on, as a file of their own."""

    def __init__(self, file: MappedFile, start: int, length: int) -> None:
        self._file, self._start, self._length, self._position = file, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise OSError(22, "a position before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._length - self._position))
        view[:count] = self._file.bytes(self._start + self._position, count)
        self._position += count
        return count
