"""The forward step of every recipe: causal attention needs no mask, so none is built or sent."""

from collections.abc import Mapping
from typing import Any

import torch


def causal_forward_step(model: Any, batch: Mapping[str, Any]) -> torch.Tensor:
    """Loss of each token, [batch, sequence]; logits where the batch has no labels.

    NeMo's own step asks for a dense mask where Transformer Engine is absent.
    """
    loss: torch.Tensor = model(
        input_ids=batch["tokens"],
        position_ids=batch["position_ids"],
        attention_mask=None,
        labels=batch.get("labels"),
    )
    return loss
