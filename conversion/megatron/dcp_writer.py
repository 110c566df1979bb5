"""A `torch_dist` directory, as megatron-core reads and torch 2.1 and later write it, made without torch.

`__0_0.distcp` is `torch.save` archives end to end, one a chunk of a tensor; `.metadata`, a pickle, says where each one
starts. `common.pt` has everything that is not a tensor of the model.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from conversion.files.archive_writer import Tensor, save, write_archive
from conversion.files.flushed_file import FlushedFile
from conversion.files.pickle_writer import Call, Global, Instance, dumps
from conversion.weight_table import Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

SHARD = "__0_0.distcp"

FORMAT = (
    '{"sharded_backend": "torch_dist", "sharded_backend_version": 1, '
    '"common_backend": "torch", "common_backend_version": 1}'
)

# How megatron-core 0.14 and later name what they store.
CONTENT = {"singleton_local_shards": False, "chained_optim_avoid_prefix": True}

_METADATA = "torch.distributed.checkpoint.metadata"


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    dtype: str
    size: Shape
    chunks: list[tuple[Shape, Shape]] = field(default_factory=list)


class DcpWriter:
    """Writes the directory `weights`, one chunk of a tensor after another; `common` goes to `common.pt`."""

    def __init__(self, weights: Path, *, common: Mapping[str, Any]) -> None:
        weights.mkdir()
        self._weights, self._common = weights, common
        self._file = FlushedFile(weights / SHARD)
        self._tensors: dict[str, _Tensor] = {}
        self._places: dict[tuple[str, Shape | None], tuple[int, int]] = {}

    def __enter__(self) -> "DcpWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._file.close()
        if kind is None:
            save(self._weights / "common.pt", self._common)
            (self._weights / "metadata.json").write_text(FORMAT, encoding="utf-8")
            (self._weights / ".metadata").write_bytes(dumps(self._metadata()))

    def write(
        self, name: str, dtype: str, size: Shape, pieces: Iterable["Array"], *, offsets: Shape, shape: Shape
    ) -> None:
        """Append the chunk of the tensor `name` [`size`] at `offsets` with `shape`, as its rows."""
        tensor = self._tensors.setdefault(name, _Tensor(dtype=dtype, size=size))
        assert (tensor.dtype, tensor.size) == (dtype, size), name
        tensor.chunks.append((offsets, shape))
        self._places[name, offsets] = write_archive(self._file, Tensor(dtype=dtype, shape=shape, rows=pieces))

    def write_object(self, name: str, value: Any) -> None:
        """Append an object. `[None]` says: no state (of FP8 scales); the module that asks for it starts afresh."""
        self._places[name, None] = write_archive(self._file, value)

    def _metadata(self) -> Instance:
        listed: dict[str, Instance] = {name: _listed(tensor) for name, tensor in self._tensors.items()}
        listed |= {
            name: Instance(Global(_METADATA, "BytesStorageMetadata"))
            for name, offsets in self._places
            if offsets is None
        }
        storage = {
            Instance(
                Global(_METADATA, "MetadataIndex"),
                {"fqn": name, "index": None, "offset": None if offsets is None else _size(offsets)},
            ): Instance(
                Global("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
                {"relative_path": SHARD, "offset": start, "length": length},
            )
            for (name, offsets), (start, length) in self._places.items()
        }
        none: dict[str, Any] = {"checkpoint_id": None, "save_id": None, "load_id": None, "modules": []}
        return Instance(
            Global(_METADATA, "Metadata"),
            {
                "state_dict_metadata": listed,
                "planner_data": None,
                "storage_data": storage,
                "storage_meta": Instance(Global(_METADATA, "StorageMeta"), none),
                "version": "1.0.0",
            },
        )


def _listed(tensor: _Tensor) -> Instance:
    properties = (
        Global("torch", tensor.dtype),
        Call(Global("torch.serialization", "_get_layout"), ("torch.strided",)),
        False,
        Call(Global(_METADATA, "_MEM_FORMAT_ENCODING"), (0,)),
        False,
    )
    chunks = [
        Instance(Global(_METADATA, "ChunkStorageMetadata"), {"offsets": _size(offsets), "sizes": _size(shape)})
        for offsets, shape in tensor.chunks
    ]
    return Instance(
        Global(_METADATA, "TensorStorageMetadata"),
        {
            "properties": Instance(Global(_METADATA, "TensorProperties"), properties),
            "size": _size(tensor.size),
            "chunks": chunks,
        },
    )


def _size(shape: Shape) -> Call:
    return Call(Global("torch", "Size"), (shape,))
