"""What a training checkpoint holds, tensor by tensor and state by state, to compare two of them to the bit."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from conversion.megatron.dcp_metadata import read_metadata
from conversion.megatron.dcp_read import Shards


def tensors(checkpoint: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Weights and optimizer state, whole, whatever chunks they are stored in; raw numbers."""
    weights = checkpoint / "weights"
    shards = Shards(weights / ".metadata")
    stored = read_metadata(weights).tensors
    return {name: shards.region(name, tensor, ()).copy() for name, tensor in stored.items()}


def states(checkpoint: Path) -> dict[str, Any]:
    """Steps, learning-rate schedule, the optimizer's own counters, place in the data, and random states."""
    common = torch.load(checkpoint / "weights" / "common.pt", weights_only=False)
    names = ("global_step", "lr_schedulers", "optimizer", "GenomicDataModule")
    return {name: common[name] for name in names} | {"random": common["callbacks"]["Seed"]}


def differences(a: Path, b: Path) -> list[str]:
    """Names of what is not the same to the bit."""
    left, right = tensors(a), tensors(b)
    assert left.keys() == right.keys()
    assert any(name.startswith("optimizer") for name in left)
    return [name for name in left if left[name].tobytes() != right[name].tobytes()] + [
        name for name, state in states(a).items() if not same(state, states(b)[name])
    ]


def same(a: Any, b: Any) -> bool:
    """Equality of nested states."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    return bool(a == b)
