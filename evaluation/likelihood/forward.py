"""One forward pass, and log-probabilities from it: fp32 log-softmax whatever the model's dtype."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.likelihood.attention import Context
from evaluation.likelihood.small_llama import packed_llama
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS, PAD

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ACGT = tuple(b"ACGT")
DISTRIBUTION = ("A", "C", "G", "T", "EOS", "entropy")
"""What a distribution of the next base has: five probabilities, and the entropy of all 256 ids in bits."""


def hidden_states(
    model: "PreTrainedModel", ids: "Tensor", *, start: int = 0, context: Context | None = None
) -> "Tensor":
    """The last layer's output after the final norm, [B, S, hidden]; `ids` [B, S] are at positions from `start` on."""
    import torch

    positions = torch.arange(start, start + ids.shape[1], device=ids.device)[None]
    small = packed_llama(model)
    if small is not None:
        return small.hidden(ids, positions, context)
    output = model.model(input_ids=ids, position_ids=positions, use_cache=False, context=context)
    hidden: Tensor = output.last_hidden_state
    return hidden


def layer_output(model: "PreTrainedModel", ids: "Tensor", layer: int) -> "Tensor":
    """What goes out of block `layer` for `ids` [B, S], of 0 of the embedding table: [B, S, hidden]; no norm follows."""
    import torch

    positions = torch.arange(ids.shape[1], device=ids.device)[None]
    small = packed_llama(model)
    if small is not None:
        return small.hidden(ids, positions, layers=layer)
    caught: list[Tensor] = []
    blocks = model.config.num_hidden_layers
    hook = model.model.norm.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    model.config.num_hidden_layers = layer  # transformers runs so many of the blocks
    try:
        model.model(input_ids=ids, position_ids=positions, use_cache=False)
    finally:
        model.config.num_hidden_layers = blocks
        hook.remove()
    return caught[0]


def log_probabilities(model: "PreTrainedModel", hidden: "Tensor", *, acgt_only: bool = False) -> "Tensor":
    """Natural logs, [..., 256] in fp32. `acgt_only`: renormalised over A, C, G and T; the rest is minus infinity."""
    import torch

    logits: Tensor = model.lm_head(hidden).float()
    if acgt_only:
        others = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
        others[list(ACGT)] = False
        logits.masked_fill_(others, -torch.inf)
    return torch.log_softmax(logits, dim=-1)


def target_log_probabilities(
    model: "PreTrainedModel", hidden: "Tensor", targets: "Tensor", *, acgt_only: bool = False
) -> "Tensor":
    """Natural log of each target's probability, fp32, in the shape of `targets`, [B, S]; `hidden` is [B, S, hidden]."""
    return log_probabilities(model, hidden, acgt_only=acgt_only).gather(-1, targets[..., None])[..., 0]


def distributions(known: "Tensor") -> "Tensor":
    """Of log-probabilities [..., 256]: the probabilities of `DISTRIBUTION`, and the entropy in bits, [..., 6]."""
    import torch

    chances = known.exp()
    entropy = -(chances * known).nan_to_num(0.0).sum(dim=-1, keepdim=True) / math.log(2)  # 0 ln 0 is 0
    return torch.cat([chances[..., [*ACGT, EOS.id]], entropy], dim=-1)


def to_tensor(model: "PreTrainedModel", rows: Sequence[Ids]) -> "Tensor":
    """Ids of unequal lengths on the model's device, [B, longest], padded on the right, where no base sees it."""
    import torch

    tokens = np.full((len(rows), max(map(len, rows))), PAD.id, dtype=np.int64)
    for row, ids in enumerate(rows):
        tokens[row, : len(ids)] = ids
    return torch.from_numpy(tokens).to(model.device)
