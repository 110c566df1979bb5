"""A training line of `metrics.jsonl`, of either engine; docs/training.md defines what is in it."""

import resource
import time
from collections.abc import Mapping
from typing import Any

import torch

from training.metrics.loss_sums import MeanLoss
from training.metrics.rates import Work


def step_line(
    *,
    step: int,
    loss: float | None,
    mean: MeanLoss,
    learning_rate: float,
    grad_norm: float | None,
    tokens: int,
    seconds: float,
    work: Work,
    eta_seconds: float,
    goodput: float,
) -> dict[str, Any]:
    """The line after `step`; `mean`, `tokens` and `seconds` are of all steps since the last one."""
    return {
        "step": step,
        "time": time.time(),
        "loss": loss,
        "bits_per_base": mean.bits_per_base,
        "learning_rate": learning_rate,
        "grad_norm": grad_norm,
        "tokens": tokens,
        "bases": mean.bases,
        "seconds": seconds,
        **work.rates(tokens=tokens, bases=mean.bases, seconds=seconds),
        "peak_memory_gib": _peak_memory_gib(),
        "eta_seconds": eta_seconds,
        "goodput": goodput,
    }


def scalars(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line for a logger, `train/loss: 1.2`: those of a source below the name of all."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{key}": one for key, one in value.items() if one is not None}
        elif value is not None and name not in ("train/step", "train/time"):
            flat[name] = value
    return flat


def _peak_memory_gib() -> float:
    """The most that this process has held: on a GPU what PyTorch allocated, without NCCL and its spare; else RSS."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts KiB
