"""The `.metadata` of a `torch_dist` checkpoint as plain values: which tensor has its pieces in which file."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from conversion.files.archive_reader import MOST_DIMENSIONS
from conversion.files.dtypes import DTYPES
from conversion.files.pickle_reader import LIMIT
from conversion.megatron.dcp_classes import MetadataUnpickler, Record
from foundation.errors import InputError, shown
from foundation.regular_file import open_regular

Shape = tuple[int, ...]

COMMON = "common_state/shard_0_1"
"""Step, parameter groups and schedule, where they are in no file of their own."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A rectangular piece of a tensor: its position in the tensor, and its `torch.save` archive in a file."""

    offsets: Shape
    shape: Shape
    file: Path
    start: int
    length: int


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A tensor of the checkpoint, in one or several chunks."""

    dtype: str
    shape: Shape
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a directory holds: tensors and objects (bytes) by name. Of objects few have a place here, and are opened:
    the common state, which megatron-core before 0.19 has as a file, and what belongs to the optimizer.
    """

    tensors: dict[str, StoredTensor]
    objects: dict[str, Chunk | None]


def read_metadata(weights: Path) -> Listing:
    """Everything in the directory `weights`.

    Errors: `InputError` for a pickle that is truncated, hostile or malformed, or that leads outside of `weights`.
    """
    path = weights / ".metadata"
    if not path.is_file():
        raise InputError(
            "no .metadata here",
            where=weights,
            fix="The checkpoint is incomplete, or of another format.",
            kind="no-metadata",
        )
    _inside(path, weights)
    try:
        with open_regular(path) as file:
            content = MetadataUnpickler(file.read(LIMIT + 1), path).load()
        return _listing(content, weights)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a broken pickle can raise anything
        raise InputError(
            f"is truncated or damaged ({type(error).__name__}: {error})",
            where=path,
            fix="Copy the checkpoint again.",
            kind="metadata-damaged",
        ) from error


def _listing(content: Any, weights: Path) -> Listing:
    storage = {_index(index): info for index, info in content.storage_data.items()}
    listed = {_name(name): stored for name, stored in content.state_dict_metadata.items()}
    kinds = {name: _class_name(stored) for name, stored in listed.items()}
    tensors = {name: stored for name, stored in listed.items() if kinds[name] == "TensorStorageMetadata"}
    if sum(len(stored.chunks) for stored in tensors.values()) > len(storage):
        raise ValueError("it lists more chunks than there are places of any")
    return Listing(
        tensors={name: _tensor(name, stored, storage, weights) for name, stored in tensors.items()},
        objects={name: _object(name, storage, weights) for name in listed if name not in tensors},
    )


def _index(index: Any) -> tuple[str, Shape | None]:
    offset = getattr(index, "offset", None)
    return _name(index.fqn), None if offset is None else _shape(offset)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} where the name of a tensor was expected")
    return value


def _class_name(value: object) -> str:
    return value.class_name if isinstance(value, Record) else type(value).__name__


def _tensor(name: str, stored: Any, storage: dict[Any, Any], weights: Path) -> StoredTensor:
    dtype = stored.properties.state[0] if isinstance(stored.properties.state, tuple) else stored.properties.dtype
    shape = _shape(stored.size)
    chunks = tuple(_chunk(name, chunk, shape, storage, weights) for chunk in stored.chunks)
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"{name!r} is of the dtype {shown(dtype)}")
    return StoredTensor(dtype=dtype, shape=shape, chunks=chunks)


def _chunk(name: str, chunk: Any, whole: Shape, storage: dict[Any, Any], weights: Path) -> Chunk:
    offsets, shape = _shape(chunk.offsets), _shape(chunk.sizes)
    if not len(offsets) == len(shape) == len(whole) or any(
        offset + size > full for offset, size, full in zip(offsets, shape, whole, strict=True)
    ):
        raise InputError(
            f"a chunk of {name!r} is outside the tensor", where=weights / ".metadata", kind="chunk-outside"
        )
    info = storage.get((name, offsets))
    if info is None:
        raise InputError(
            f"chunk {list(offsets)} of {name!r} is in no file", where=weights / ".metadata", kind="chunk-in-no-file"
        )
    if getattr(info, "transform_descriptors", None):
        raise InputError(
            f"{name!r} is stored compressed",
            where=weights / ".metadata",
            fix="Save it uncompressed.",
            kind="stored-compressed",
        )
    return _part(name, info, weights, offsets=offsets, shape=shape)


def _object(name: str, storage: dict[Any, Any], weights: Path) -> Chunk | None:
    opened = name == COMMON or "optimizer." in name
    return _part(name, storage[name, None], weights) if opened and (name, None) in storage else None


def _part(name: str, info: Any, weights: Path, *, offsets: Shape = (), shape: Shape = ()) -> Chunk:
    """The place of a chunk, or of an object, in a file that is long enough for it."""
    file = _file(info.relative_path, weights)
    start, length = _count(info.offset), _count(info.length)
    if start + length > file.stat().st_size:
        raise InputError(
            f"is truncated: {name!r} ends at byte {start + length}, the file at {file.stat().st_size}",
            where=file,
            fix="Copy the checkpoint again.",
            kind="file-truncated",
        )
    return Chunk(offsets=offsets, shape=shape, file=file, start=start, length=length)


def _file(relative: Any, weights: Path) -> Path:
    """The shard `relative`, which must be a plain file inside of `weights`."""
    if not isinstance(relative, str):
        raise ValueError(f"{shown(relative)} where the name of a shard was expected")
    name = PurePosixPath(relative)
    if name.is_absolute() or ".." in name.parts or "\\" in relative:
        raise InputError(
            f"names the shard {shown(relative)}, outside of the checkpoint",
            where=weights / ".metadata",
            fix="Nothing was read there. Do not trust this checkpoint.",
            kind="shard-outside",
        )
    file = weights / name
    _inside(file, weights)
    if not file.is_file():
        raise InputError("this shard is missing", where=file, fix="Copy the checkpoint again.", kind="missing-shard")
    return file


def _inside(file: Path, weights: Path) -> None:
    if not file.resolve().is_relative_to(weights.resolve()):
        raise InputError(
            "is a link that leads outside of the checkpoint",
            where=file,
            fix="Put the file itself there.",
            kind="link-outside",
        )


def _shape(value: Any) -> Shape:
    if not isinstance(value, list | tuple) or len(value) > MOST_DIMENSIONS:
        raise ValueError(f"{shown(value)} where the size of a tensor was expected")
    return tuple(_count(size) for size in value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"{shown(value)} where a size was expected")
    return value
