"""How many sequences go through the model together: as many as one pass has memory for, or a number that was given.

The size depends on the model and the device alone, never on what else is in memory, so that a run can be repeated.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from evaluation.limits import MOST
from foundation.errors import InputError
from foundation.spelling import option

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Item = TypeVar("Item")

CPU_TOKENS = 2048
"""Of one pass on a CPU: its activations stay in the caches, and twice as many were slower by an eighth."""
GPU_TOKENS = 32_768
"""Of one pass on a GPU, at most: it is busy with fewer."""
GPU_SHARE = 8
"""One part in so many of a GPU's memory is for the activations of a pass."""

_LOOK_AHEAD = 16  # batches that are sorted by length together, so that little is padded


@dataclass(frozen=True, kw_only=True)
class Batching:
    """A batch has at most `tokens`, padding counted, or one sequence; exactly `rows` sequences where they are given."""

    tokens: int
    rows: int | None = None

    def __post_init__(self) -> None:
        if self.rows is not None:
            check_batch_size(self.rows)

    def count(self, length: int) -> int:
        """How many sequences of `length` make a batch."""
        return self.rows or max(1, self.tokens // max(1, length))

    def split(self, items: Sequence[Item], length: Callable[[Item], int]) -> Iterator[Sequence[Item]]:
        """The batches of `items`, which are sorted: the longest first."""
        start = 0
        while start < len(items):
            end = start + self.count(length(items[start]))
            yield items[start:end]
            start = end

    def ahead(self, items: Iterator[Item], length: Callable[[Item], int]) -> list[Item]:
        """The next of `items`, enough for sixteen batches: those that are sorted by length together."""
        taken: list[Item] = []
        tokens = 0
        for item in items:
            taken.append(item)
            tokens += length(item)
            if len(taken) >= _LOOK_AHEAD * self.rows if self.rows else tokens >= _LOOK_AHEAD * self.tokens:
                break
        return taken


def check_batch_size(size: int) -> None:
    """Errors: `InputError` outside 1 to `MOST`: below one no batch would be read, or none would be the last."""
    if not 1 <= size <= MOST:
        problem = f"{option('batch_size', size)} is outside [1, {MOST:,}]"
        raise InputError(problem, fix="Leave it out for the default.", kind="batch-size")


def plan_batches(model: "PreTrainedModel", rows: int | None = None) -> Batching:
    """The batches that suit `model` on its device: `CPU_TOKENS`, or what `GPU_SHARE` of a GPU's memory holds.

    Errors: `InputError` for fewer `rows` than one.
    """
    if model.device.type == "cpu":
        return Batching(tokens=CPU_TOKENS, rows=rows)
    import torch

    memory = torch.cuda.get_device_properties(model.device).total_memory
    return Batching(tokens=tokens_in(memory // GPU_SHARE, bytes_per_token(model)), rows=rows)


def tokens_in(memory: int, token: int) -> int:
    """The largest power of two of tokens, each of so many bytes, in `memory` bytes: from 512 to `GPU_TOKENS`."""
    return max(512, min(GPU_TOKENS, 1 << (max(1, memory // token).bit_length() - 1)))


def bytes_per_token(model: "PreTrainedModel") -> int:
    """What one token takes in a forward pass without gradients: a layer's activations, keys and values, fp32 logits."""
    config = model.config
    heads = config.num_attention_heads
    cached = 2 * config.num_hidden_layers * config.hidden_size // heads * config.num_key_value_heads
    activations = 6 * config.hidden_size + 3 * config.intermediate_size
    return int((cached + activations) * model.dtype.itemsize + 3 * 4 * config.vocab_size)
