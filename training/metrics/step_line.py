"""A training line of `metrics.jsonl`, of whichever engine; docs/training.md defines what is in it."""

import time
from typing import Any

from training.metrics.loss_sums import MeanLoss
from training.metrics.memory import peak_memory_gib
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
        "peak_memory_gib": peak_memory_gib(),
        "eta_seconds": eta_seconds,
        "goodput": goodput,
    }
