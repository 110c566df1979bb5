"""The batch of a bad step on disk: which samples, where in which corpus, their tokens and the loss of each token."""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from foundation.atomic import atomic_file

MOST_SAVED = 32
"""Largest number of steps whose batches are saved, so that a run with many spikes does not fill the disk."""


@dataclass(frozen=True, kw_only=True)
class BatchSnapshot:
    """A micro-batch as the model saw it, on the device; [batch, sequence], with context parallelism this rank's part.

    References alone, until the next step: 250 kB a sample of 8192 tokens.
    """

    index: torch.Tensor  # of each sample in the order of training, [batch]
    tokens: torch.Tensor
    labels: torch.Tensor
    loss_mask: torch.Tensor  # hundredths
    position_ids: torch.Tensor
    losses: torch.Tensor  # of each token, nats

    @classmethod
    def of(cls, batch: Mapping[str, torch.Tensor], losses: torch.Tensor) -> "BatchSnapshot | LabelledBatch":
        """From a batch of `training.forward.widen` and the model's output; or from one of labelled sequences."""
        if "lengths" in batch:
            own = {name: batch[name] for name in ("index", "tokens", "lengths", "labels")}
            return LabelledBatch(**own, logits=losses.detach())
        names = ("index", "tokens", "labels", "loss_mask", "position_ids")
        return cls(**{name: batch[name] for name in names}, losses=losses.detach())


@dataclass(frozen=True, kw_only=True)
class LabelledBatch:
    """The same of a model with a head: `tokens` [batch, longest], of which `lengths` count, `labels` and `logits`."""

    index: torch.Tensor
    tokens: torch.Tensor
    lengths: torch.Tensor
    labels: torch.Tensor
    logits: torch.Tensor


def save_batch(
    folder: Path,
    batches: Sequence[BatchSnapshot | LabelledBatch],
    describe: Callable[[int], dict[str, Any]],
    *,
    rank: int,
) -> None:
    """Write this rank's `rank=N.safetensors` and `rank=N.jsonl`, one line per sample; nothing where it has no batches.

    If the batch cannot be written, warn and continue.
    """
    from safetensors.torch import save_file

    others = [path for path in folder.parent.glob("step=*") if path != folder]
    if not batches or len(others) >= MOST_SAVED:
        return
    labelled = [batch for batch in batches if isinstance(batch, LabelledBatch)]
    tensors = _labelled_on_cpu(labelled) if labelled else _on_cpu([b for b in batches if isinstance(b, BatchSnapshot)])
    rows = [_row(describe, tensors, number) for number in range(len(tensors["index"]))]
    try:
        with atomic_file(folder / f"rank={rank}.safetensors") as path:
            save_file(tensors, str(path))
        with atomic_file(folder / f"rank={rank}.jsonl") as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"\nwarning: the batch was not saved: {error}", file=sys.stderr)


def _on_cpu(batches: Sequence[BatchSnapshot]) -> dict[str, torch.Tensor]:
    """[samples, sequence] of all micro-batches, as narrow as they are read from the corpus."""
    narrow = {"tokens": torch.uint8, "labels": torch.uint8, "loss_mask": torch.uint8, "position_ids": torch.int32}
    tensors = {"index": torch.cat([batch.index for batch in batches]).cpu()}
    for name, dtype in narrow.items():
        tensors[name] = torch.cat([getattr(batch, name) for batch in batches]).to(dtype).cpu().contiguous()
    losses = [batch.losses.reshape(batch.tokens.shape) for batch in batches]  # packed samples come as one row
    return tensors | {"losses": torch.cat(losses).float().cpu().contiguous()}


def _labelled_on_cpu(batches: Sequence[LabelledBatch]) -> dict[str, torch.Tensor]:
    """[samples, longest] of all micro-batches, padded on the right with zeros."""
    longest = max(batch.tokens.shape[1] for batch in batches)

    def joined(name: str) -> torch.Tensor:
        parts = [getattr(batch, name).cpu() for batch in batches]
        per_base = parts[0].ndim > 1 and parts[0].shape[1] == batches[0].tokens.shape[1]
        if per_base:
            dims = [0, 0] * (parts[0].ndim - 2)
            parts = [torch.nn.functional.pad(part, [*dims, 0, longest - part.shape[1]]) for part in parts]
        return torch.cat(parts).contiguous()

    return {name: joined(name) for name in ("index", "tokens", "lengths", "labels", "logits")}


def _row(describe: Callable[[int], dict[str, Any]], tensors: Mapping[str, torch.Tensor], number: int) -> dict[str, Any]:
    if "loss_mask" not in tensors:
        return describe(int(tensors["index"][number]))
    weights = tensors["loss_mask"][number].double()
    weight = float(weights.sum())
    total = float((tensors["losses"][number].double() * weights).sum())
    loss = total / weight if weight else None
    finite = loss is not None and math.isfinite(loss)  # JSON has no word for what is not
    return {**describe(int(tensors["index"][number])), "loss": loss if finite else None, "weight": weight / 100}
