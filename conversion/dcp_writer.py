"""The `weights/` of a NeMo 2 checkpoint, as megatron-core 0.15.3 reads it: torch_dist, all in one file.

`__0_0.distcp` is `torch.save` archives end to end, one a tensor and layer; `.metadata` says where each one starts.
Layers are stored stacked, [num_hidden_layers, ...], one chunk a layer, as Megatron's homogeneous blocks ask for them.
"""

import pickle
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from conversion.nemo_checkpoint import PREFIX
from conversion.weight_table import Shape, Weight

if TYPE_CHECKING:
    import torch

SHARD = "__0_0.distcp"

# Modules of Transformer Engine, which ask for a state of FP8 scales; with `None` they start afresh.
_STATEFUL_IN_LAYERS = (
    "self_attention.linear_qkv",
    "self_attention.linear_proj",
    "self_attention.core_attention",
    "mlp.linear_fc1",
    "mlp.linear_fc2",
)
_STATEFUL = ("decoder.final_layernorm",)

FORMAT = (
    '{"sharded_backend": "torch_dist", "sharded_backend_version": 1, '
    '"common_backend": "torch", "common_backend_version": 1}'
)

# State of a trainer that has done nothing, and how megatron-core 0.14 and later name what they store.
COMMON: dict[str, Any] = {
    "epoch": 0,
    "global_step": 0,
    "state_dict": {},
    "content_metadata": {"singleton_local_shards": False, "chained_optim_avoid_prefix": True},
}


class DcpWriter:
    """Writes the weights of a model with `layers` layers into the directory `weights`, one tensor at a time."""

    def __init__(self, weights: Path, *, layers: int) -> None:
        weights.mkdir()
        self._weights, self._layers = weights, layers
        self._file: IO[bytes] = (weights / SHARD).open("wb")
        self._sizes: dict[str, Shape] = {}
        self._dtypes: dict[str, torch.dtype] = {}
        self._chunks: dict[str, list[tuple[Shape, Shape]]] = {}
        self._places: dict[tuple[str, Shape | None], tuple[int, int]] = {}

    def __enter__(self) -> "DcpWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._write_states()
        self._file.close()
        if kind is None:
            self._write_rest()

    def write(self, weight: Weight, tensor: "torch.Tensor") -> None:
        """Append Megatron's tensor `weight`."""
        name, offsets, shape = PREFIX + weight.megatron, (0,) * tensor.ndim, tuple(tensor.shape)
        size = shape
        if weight.layer is not None:
            name, tensor = PREFIX + weight.stacked, tensor.unsqueeze(0)
            offsets, shape, size = (weight.layer, *offsets), (1, *shape), (self._layers, *shape)
        self._sizes[name], self._dtypes[name] = size, tensor.dtype
        self._chunks.setdefault(name, []).append((offsets, shape))
        self._places[name, offsets] = self._append(_alone(tensor))

    def _append(self, value: object) -> tuple[int, int]:
        """Where `value` was written: start and length in bytes."""
        import torch

        start = self._file.tell()
        torch.save(value, self._file)
        return start, self._file.tell() - start

    def _write_states(self) -> None:
        names = [
            f"{PREFIX}decoder.layers.{module}._extra_state/shard_{layer}_{self._layers}"
            for layer in range(self._layers)
            for module in _STATEFUL_IN_LAYERS
        ]
        names += [f"{PREFIX}{module}._extra_state/shard_0_1" for module in _STATEFUL]
        for name in names:
            self._places[name, None] = self._append([None])

    def _write_rest(self) -> None:
        import torch

        torch.save(COMMON, self._weights / "common.pt")
        (self._weights / "metadata.json").write_text(FORMAT, encoding="utf-8")
        with (self._weights / ".metadata").open("wb") as file:
            pickle.dump(self._metadata(), file, protocol=4)

    def _metadata(self) -> Any:
        import torch
        from torch.distributed.checkpoint import metadata as dcp
        from torch.distributed.checkpoint.filesystem import _StorageInfo

        listed: dict[str, dcp.TensorStorageMetadata | dcp.BytesStorageMetadata] = {
            name: dcp.TensorStorageMetadata(
                properties=dcp.TensorProperties(dtype=self._dtypes[name]),
                size=torch.Size(size),
                chunks=[
                    dcp.ChunkStorageMetadata(offsets=torch.Size(offsets), sizes=torch.Size(shape))
                    for offsets, shape in self._chunks[name]
                ],
            )
            for name, size in self._sizes.items()
        }
        listed |= {name: dcp.BytesStorageMetadata() for name, offsets in self._places if offsets is None}
        storage = {
            dcp.MetadataIndex(name, offsets): _StorageInfo(SHARD, start, length)
            for (name, offsets), (start, length) in self._places.items()
        }
        return dcp.Metadata(
            state_dict_metadata=listed, storage_data=storage, storage_meta=dcp.StorageMeta(), version="1.0.0"
        )


def _alone(tensor: "torch.Tensor") -> "torch.Tensor":
    """`tensor` in a storage of its own size: `torch.save` writes whole storages."""
    tensor = tensor.contiguous()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
