"""Checkpoints made without the code under test: a Llama by transformers, torch_dist shards chunk by chunk."""

import io
import json
import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import load_file

from conversion.weight_table import fuse

SMALL = {
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,  # not hidden_size / num_attention_heads
    "max_position_embeddings": 64,
    "rope_theta": 500000.0,
    "rms_norm_eps": 1e-5,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 1,
}

SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def save_llama(directory: Path, *, dtype: str = "float32", **changes: Any) -> Path:
    """A random Llama, norms too, saved by transformers into `directory`."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(11)
    model = LlamaForCausalLM(LlamaConfig(**{**SMALL, **changes}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    model.to(getattr(torch, dtype)).save_pretrained(directory)
    return directory


def hf_tensors(directory: Path) -> dict[str, torch.Tensor]:
    """All tensors of all safetensors files of `directory`."""
    return {name: tensor for file in directory.glob("*.safetensors") for name, tensor in load_file(file).items()}


def same_bits(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    """Equal names, dtypes, shapes and bytes."""
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype
        and a[name].shape == b[name].shape
        and torch.equal(a[name].contiguous().view(torch.uint8), b[name].contiguous().view(torch.uint8))
        for name in a
    )


Pieces = Iterable[tuple[tuple[int, ...], torch.Tensor]]


def write_torch_dist(
    checkpoint: Path,
    tensors: Mapping[str, torch.Tensor],
    *,
    cut: Callable[[str, torch.Tensor], Pieces] = lambda _, tensor: [((0,) * tensor.ndim, tensor)],
) -> None:
    """Write `weights/` of `checkpoint`; `cut` gives each tensor's chunks, which go to two files in turn."""
    from torch.distributed.checkpoint import metadata as dcp
    from torch.distributed.checkpoint.filesystem import _StorageInfo

    folder = checkpoint / "weights"
    folder.mkdir(parents=True)
    files = {name: io.BytesIO() for name in ("__0_0.distcp", "__1_0.distcp")}
    listed: dict[str, Any] = {"optimizer.state.exp_avg.x": dcp.BytesStorageMetadata()}
    storage: dict[Any, Any] = {}
    turn = 0
    for name, tensor in tensors.items():
        chunks = []
        for offsets, piece in cut(name, tensor):
            file, turn = list(files)[turn % 2], turn + 1
            start = files[file].tell()
            torch.save(piece.clone(), files[file])
            storage[dcp.MetadataIndex(name, offsets)] = _StorageInfo(file, start, files[file].tell() - start)
            chunks.append(dcp.ChunkStorageMetadata(torch.Size(offsets), piece.shape))
        listed[name] = dcp.TensorStorageMetadata(dcp.TensorProperties(dtype=tensor.dtype), tensor.shape, chunks)
    for file, content in files.items():
        (folder / file).write_bytes(content.getvalue())
    (folder / ".metadata").write_bytes(pickle.dumps(dcp.Metadata(listed, storage_data=storage)))


def megatron_tensors(checkpoint: Any, prefix: str = "module.") -> dict[str, torch.Tensor]:
    """All weights of an open checkpoint as Megatron-Core has them, layer by layer."""
    dtype = getattr(torch, checkpoint.architecture.dtype)
    tensors = {}
    for weight in checkpoint.weights:
        rows = np.concatenate(list(fuse(weight, checkpoint.parts(weight))))
        tensors[prefix + weight.megatron] = torch.from_numpy(rows.view(f"i{rows.itemsize}")).view(dtype)
    return tensors


def edit_metadata(checkpoint: Path, edit: Callable[[Any], None]) -> None:
    """Change the `.metadata` of `checkpoint`, unpickled the way torch does it."""
    path = checkpoint / "weights" / ".metadata"
    content = pickle.loads(path.read_bytes())
    edit(content)
    path.write_bytes(pickle.dumps(content))


def edit_json(path: Path, **changes: Any) -> None:
    """Change top-level keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_model_yaml(checkpoint: Path, **changes: Any) -> None:
    """Change fields of the model's configuration in `context/model.yaml`."""
    path = checkpoint / "context" / "model.yaml"
    content = yaml.safe_load(path.read_text())
    content["config"].update(changes)
    path.write_text(yaml.safe_dump(content))
