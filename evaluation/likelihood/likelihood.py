"""Likelihood of sequence under a causal language model: log-probability of each base, summed per record.

No BOS, so base 0 has no score; only A, C, G and T targets are scored; EOS is no base. The softmax is over all 256
ids unless renormalised over A, C, G and T, in fp32 whatever the model's dtype (bf16 errs as much as a variant's
effect), and sums are in fp64. Padding is on the right, where causal attention lets no scored base see it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.forward import hidden_states, target_log_probabilities, to_tensor
from evaluation.likelihood.windows import Window, plan_windows
from evaluation.sharding.job import Payload, Results, cut, unit_tokens
from foundation.errors import InputError
from tokenizer.sequence import Ids, is_unambiguous

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Logs = npt.NDArray[np.float32]


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

    Memory: four bytes a base of the sequences that one unit touches.
    Errors: `InputError` for a log-probability that is no number.
    """
    units = cut_sequences(sequences, context_length=reading.context_length, stride=reading.stride)
    return assemble((unit, read_unit(model, unit, reading)) for unit in units)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One window of one sequence of `length` bases, of which those from `first` on count.

    `ids` are the window's inputs and the base after them; `last`: the sequence has no more windows. A sequence
    without a base to predict is a piece without a window.
    """

    window: Window | None
    ids: Ids
    length: int
    first: int
    last: bool

    @property
    def inputs(self) -> int:
        """What the model reads."""
        return self.window.length if self.window else 0

    @property
    def targets(self) -> int:
        """Predictions that count."""
        return self.window.end + 1 - self.window.first_target if self.window else 0

    @property
    def unscored(self) -> int:
        """Predictions before the first that counts."""
        return self.inputs - self.targets


def cut_sequences(sequences: Iterable[tuple[Ids, int]], *, context_length: int, stride: int) -> Iterator[list[Piece]]:
    """The windows of all sequences in units, the same for anyone who asks."""

    def pieces() -> Iterator[Piece]:
        for ids, first in sequences:
            windows = plan_windows(len(ids), context_length=context_length, stride=stride, first=first)
            ahead: Window | None = next(windows, None)
            last = False
            while not last:
                window, ahead = ahead, next(windows, None)
                last = ahead is None
                inputs = ids[window.start : window.end + 1] if window else ids[:0]
                yield Piece(window=window, ids=inputs, length=len(ids), first=first, last=last)

    return cut(pieces(), unit_tokens(context_length), lambda piece: piece.inputs)


def read_unit(model: "PreTrainedModel", unit: list[Piece], reading: Reading) -> Payload:
    """`logs`: ln P of the targets of each piece, end to end, NaN where they are not A, C, G or T."""
    found: dict[int, Logs] = {}
    order = sorted((n for n, piece in enumerate(unit) if piece.window), key=lambda n: unit[n].inputs, reverse=True)
    for start in range(0, len(order), reading.batch_size):
        batch = order[start : start + reading.batch_size]
        pieces = [unit[number] for number in batch]
        for number, piece, logs in zip(batch, pieces, _forward(model, pieces, reading.acgt_only), strict=True):
            scored = is_unambiguous(piece.ids[len(piece.ids) - len(logs) :])
            if not np.isfinite(logs[scored]).all():
                fix = "Use float32, or check the weights."
                raise InputError("a log-probability is not a number", fix=fix, kind="not-a-number")
            found[number] = np.where(scored, logs, np.float32(np.nan))
    return {"logs": np.concatenate([np.empty(0, np.float32), *(found[number] for number in sorted(found))])}


def assemble(results: Results[Piece]) -> Iterator[Likelihood]:
    """The likelihood of each sequence, from the units of all."""
    logs, inputs = None, 0
    for unit, payload in results:
        place = 0
        for piece in unit:
            if logs is None:
                logs, inputs = np.full(piece.length, np.nan, dtype=np.float32), 0
            if piece.window:
                found = payload["logs"][place : place + piece.targets]
                logs[piece.window.first_target : piece.window.end + 1] = found
            place, inputs = place + piece.targets, inputs + piece.inputs
            if piece.last:
                yield Likelihood(logs=logs[piece.first :], inputs=inputs)
                logs = None


def _forward(model: "PreTrainedModel", batch: Sequence[Piece], acgt_only: bool) -> list[Logs]:
    """The logs of the scored targets of each piece."""
    import torch

    tokens = to_tensor(model, [piece.ids for piece in batch])
    skipped = min(piece.unscored for piece in batch)
    with torch.inference_mode():
        hidden = hidden_states(model, tokens[:, :-1])[:, skipped:]
        logs = target_log_probabilities(model, hidden, tokens[:, skipped + 1 :], acgt_only=acgt_only).cpu().numpy()
    return [logs[row, p.unscored - skipped : p.inputs - skipped] for row, p in enumerate(batch)]
