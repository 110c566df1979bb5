"""From a batch of labelled sequences to the logits of each, or of each base."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch


def labelled_data_step(dataloader_iter: Iterator[Any]) -> dict[str, Any]:
    """The next micro-batch of `training.heads.data.collate`, on the device and widened."""
    found = next(dataloader_iter)
    batch = found[0] if isinstance(found, tuple) else found
    narrow: dict[str, torch.Tensor] = {key: value.cuda(non_blocking=True) for key, value in batch.items()}
    tokens = narrow["tokens"].long()
    positions = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
    return {**narrow, "tokens": tokens, "position_ids": positions}


def head_forward_step(model: Any, batch: Mapping[str, Any]) -> torch.Tensor:
    """Logits of each sample, [batch, labels], or of each base, [batch, sequence, labels].

    Padding is on the right, where causal attention lets no base see it.
    """
    logits: torch.Tensor = model(
        input_ids=batch["tokens"], position_ids=batch["position_ids"], attention_mask=None, labels=None
    )
    return pooled(logits, batch["lengths"], model.config.head_pooling)


def pooled(logits: torch.Tensor, lengths: torch.Tensor, pooling: str) -> torch.Tensor:
    """Logits of the last base, or the mean over the bases, [batch, labels]; as they are for "none"."""
    if pooling == "last":
        return logits[torch.arange(len(lengths), device=logits.device), lengths - 1]
    if pooling == "mean":
        real = torch.arange(logits.shape[1], device=logits.device)[None] < lengths[:, None]
        return (logits * real[..., None]).sum(1) / lengths[:, None]
    return logits
