"""The pass that gives the next base's logits: of a plain small Llama written out, of any other by transformers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from evaluation.likelihood.attention import Context
from evaluation.likelihood.small_llama import small_llama

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

Forward = Callable[["Tensor", "Tensor", Context], "Tensor"]
"""Logits after the last position, [B, 256], in fp32; of ids [B, S] at positions [B, S] or [1, S]."""


def forward_of(model: "PreTrainedModel") -> Forward:
    """The quickest exact pass for `model`."""
    small = small_llama(model)

    def forward(ids: "Tensor", positions: "Tensor", context: Context) -> "Tensor":
        if small is not None:
            return small.logits(small.hidden(ids, positions, context)[:, -1])
        output = model.model(input_ids=ids, position_ids=positions, use_cache=False, context=context)
        logits: Tensor = model.lm_head(output.last_hidden_state[:, -1])
        return logits.float()

    return forward
