"""Likelihood of sequence under a causal language model: log-probability of each base, summed per record.

No BOS, so base 0 has no score; only A, C, G and T targets are scored; EOS is no base. The softmax is over all 256
ids unless renormalised over A, C, G and T, in fp32 whatever the model's dtype (bf16 errs as much as a variant's
effect), and sums are in fp64. Padding is on the right, where causal attention lets no scored base see it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.forward import hidden_states, target_log_probabilities, to_tensor
from evaluation.likelihood.windows import Window, plan_windows
from foundation.errors import InputError
from tokenizer.sequence import Ids, is_unambiguous

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Logs = npt.NDArray[np.float32]

_LOOK_AHEAD = 16  # batches that are sorted by length together, so that little is padded


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How sequence is read. `stride`: a base has `context_length - stride` bases before it, or all that there are."""

    context_length: int
    stride: int
    batch_size: int = 8
    acgt_only: bool = False


def plan_reading(
    model: "PreTrainedModel",
    *,
    context_length: int | None = None,
    stride: int | None = None,
    batch_size: int = 8,
    acgt_only: bool = False,
) -> Reading:
    """`context_length` is the model's own unless given, `stride` half of it. Errors: `InputError` out of range."""
    longest = int(model.config.max_position_embeddings)
    context_length, stride = plan_context(longest, context_length=context_length, stride=stride)
    return Reading(context_length=context_length, stride=stride, batch_size=batch_size, acgt_only=acgt_only)


def plan_context(longest: int, *, context_length: int | None, stride: int | None) -> tuple[int, int]:
    """Context length and stride for a model of `longest` positions, as above. Errors: `InputError` out of range."""
    context_length = longest if context_length is None else context_length
    if not 1 <= context_length <= longest:
        problem = f"context length {context_length} is outside [1, {longest}], the model's positions"
        raise InputError(problem, fix=f"Give --context-length {longest} or less.", kind="context-length")
    stride = max(1, context_length // 2) if stride is None else stride
    if not 1 <= stride <= context_length:
        problem = f"stride {stride} is outside [1, {context_length}], the context length"
        raise InputError(problem, fix=f"Give --stride {context_length} or less.", kind="stride")
    return context_length, stride


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """ln P of each base given those before it, shape [bases], NaN where there is none; `inputs` the model has read."""

    logs: Logs
    inputs: int


def base_log_probabilities(
    model: "PreTrainedModel", sequences: Iterable[tuple[Ids, int]], reading: Reading
) -> Iterator[Likelihood]:
    """The likelihood of each sequence from a base on, in order; `sequences` are upper-case ids and that base's index.

    Memory: four bytes per base of the sequences that a look-ahead of sixteen batches touches.
    Errors: `InputError` for a log-probability that is no number.
    """
    waiting: dict[int, _Open] = {}
    finished = 0

    def pieces() -> Iterator[_Piece]:
        for number, (ids, first) in enumerate(sequences):
            windows = plan_windows(len(ids), context_length=reading.context_length, stride=reading.stride, first=first)
            waiting[number] = entry = _Open(logs=np.full(len(ids), np.nan, dtype=np.float32), first=first)
            for window in windows:
                entry.missing += 1
                yield _Piece(sequence=number, window=window, ids=ids[window.start : window.end + 1])
            entry.planned = True

    for piece, logs in _batches(model, pieces(), reading):
        entry = waiting[piece.sequence]
        entry.logs[piece.window.first_target : piece.window.end + 1] = logs
        entry.missing, entry.inputs = entry.missing - 1, entry.inputs + piece.window.length
        while finished in waiting and waiting[finished].planned and not waiting[finished].missing:
            yield waiting.pop(finished).result()
            finished += 1
    while finished in waiting:  # what has no base to score, at the end
        yield waiting.pop(finished).result()
        finished += 1


@dataclass
class _Open:
    """A sequence under way."""

    logs: Logs
    first: int
    missing: int = 0
    inputs: int = 0
    planned: bool = False

    def result(self) -> Likelihood:
        return Likelihood(logs=self.logs[self.first :], inputs=self.inputs)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One window of one sequence: `ids` are its inputs and the base after them, shape [length + 1]."""

    sequence: int
    window: Window
    ids: Ids

    @property
    def unscored(self) -> int:
        """Predictions before the first that counts."""
        return self.window.first_target - self.window.start - 1


def _batches(model: "PreTrainedModel", pieces: Iterator[_Piece], reading: Reading) -> Iterator[tuple[_Piece, Logs]]:
    """Each piece with the logs of its scored targets, shape [end + 1 - first_target], NaN where not A, C, G or T."""
    while ahead := list(islice(pieces, reading.batch_size * _LOOK_AHEAD)):
        ahead.sort(key=lambda piece: piece.window.length, reverse=True)
        for first in range(0, len(ahead), reading.batch_size):
            batch = ahead[first : first + reading.batch_size]
            for piece, logs in zip(batch, _forward(model, batch, reading.acgt_only), strict=True):
                targets = piece.ids[len(piece.ids) - len(logs) :]
                scored = is_unambiguous(targets)
                if not np.isfinite(logs[scored]).all():
                    raise InputError(
                        "a log-probability is not a number",
                        fix="Use float32, or check the weights.",
                        kind="not-a-number",
                    )
                yield piece, np.where(scored, logs, np.float32(np.nan))


def _forward(model: "PreTrainedModel", batch: list[_Piece], acgt_only: bool) -> list[Logs]:
    """The logs of the scored targets of each piece."""
    import torch

    tokens = to_tensor(model, [piece.ids for piece in batch])
    skipped = min(piece.unscored for piece in batch)
    with torch.inference_mode():
        hidden = hidden_states(model, tokens[:, :-1])[:, skipped:]
        logs = target_log_probabilities(model, hidden, tokens[:, skipped + 1 :], acgt_only=acgt_only).cpu().numpy()
    return [logs[row, p.unscored - skipped : p.window.length - skipped] for row, p in enumerate(batch)]
