"""Likelihood of sequence under a causal language model: log-probability of each base, summed per record.

No BOS, so base 0 has no score; only A, C, G and T targets are scored: not EOS, tags and joins. The softmax is over all
256 ids unless renormalised over A, C, G and T, in fp32 whatever the model's dtype (bf16 errs as much as a variant's
effect), and sums are in fp64. Padding is on the right, where causal attention lets no scored base see it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from corpus.markup import is_markup
from evaluation.likelihood.batches import Batching, plan_batches
from evaluation.likelihood.forward import DISTRIBUTION, distributions, hidden_states, log_probabilities, to_tensor
from evaluation.likelihood.windows import Window, plan_windows
from evaluation.sharding.job import Payload, Results, cut, unit_tokens
from foundation.errors import InputError
from foundation.progress import Advance, no_progress
from foundation.spelling import option
from tokenizer.sequence import Ids, is_unambiguous

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Logs = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How sequence is read. `stride`: a base has `context_length - stride` bases before it, or all that there are.

    `distribution`: what the model expects at each base is kept too.
    """

    context_length: int
    stride: int
    batches: Batching
    acgt_only: bool = False
    distribution: bool = False


def plan_reading(
    model: "PreTrainedModel",
    *,
    context_length: int | None = None,
    stride: int | None = None,
    batch_size: int | None = None,
    acgt_only: bool = False,
    distribution: bool = False,
) -> Reading:
    """`context_length` is the model's own unless given, `stride` half of it; `batch_size` as many as memory allows.

    Errors: `InputError` out of range.
    """
    longest = int(model.config.max_position_embeddings)
    context_length, stride = plan_context(longest, context_length=context_length, stride=stride)
    batches = plan_batches(model, batch_size)
    return Reading(
        context_length=context_length, stride=stride, batches=batches, acgt_only=acgt_only, distribution=distribution
    )


def plan_context(longest: int, *, context_length: int | None, stride: int | None) -> tuple[int, int]:
    """Context length and stride for a model of `longest` positions, as above. Errors: `InputError` out of range."""
    context_length = longest if context_length is None else context_length
    if not 1 <= context_length <= longest:
        problem = f"context length {context_length} is outside [1, {longest}], the model's positions"
        raise InputError(problem, fix=f"Give {option('context_length', longest)} or less.", kind="context-length")
    stride = max(1, context_length // 2) if stride is None else stride
    if not 1 <= stride <= context_length:
        problem = f"stride {stride} is outside [1, {context_length}], the context length"
        raise InputError(problem, fix=f"Give {option('stride', context_length)} or less.", kind="stride")
    return context_length, stride


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """ln P of each base given those before it, shape [bases], NaN where there is none; `inputs` the model has read.

    `distribution`: where asked for, the probabilities and the entropy of `DISTRIBUTION`, [bases, 6], NaN at base 0.
    """

    logs: Logs
    inputs: int
    distribution: Logs | None = None


def base_log_probabilities(
    model: "PreTrainedModel",
    sequences: Iterable[tuple[Ids, int]],
    reading: Reading,
    advance: Advance = no_progress,
) -> Iterator[Likelihood]:
    """The likelihood of each sequence from a base on, in order; `sequences` are upper-case ids and that base's index.

    `advance` is called with the number of bases done.
    Memory: four bytes per base of the sequences that one unit touches.
    Errors: `InputError` for a log-probability that is not a number.
    """
    units = cut_sequences(sequences, context_length=reading.context_length, stride=reading.stride)

    def results() -> Results[Piece]:
        for unit in units:
            yield unit, read_unit(model, unit, reading)
            advance(sum(piece.bases for piece in unit))

    return assemble(results())


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One window of one sequence of `length` bases, of which those from `first` on count.

    `ids` are the window's inputs and the base after them, `markup` says which of them are tags and joins; `last`: the
    sequence has no more windows. A sequence without a base to predict is a piece without a window.
    """

    window: Window | None
    ids: Ids
    markup: npt.NDArray[np.bool_]
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
    def bases(self) -> int:
        """Those that are done with it: its targets, and the sequence's first, which is not predicted."""
        return self.targets + (self.window is None or self.window.first_target == 1)

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
            last, unscored = False, is_markup(ids)
            while not last:
                window, ahead = ahead, next(windows, None)
                last = ahead is None
                place = slice(window.start, window.end + 1) if window else slice(0)
                yield Piece(
                    window=window, ids=ids[place], markup=unscored[place], length=len(ids), first=first, last=last
                )

    return cut(pieces(), unit_tokens(context_length), lambda piece: piece.inputs)


def read_unit(model: "PreTrainedModel", unit: list[Piece], reading: Reading) -> Payload:
    """`logs`: ln P of the targets of each piece, end to end, NaN where they are not A, C, G or T.

    `distribution`: where the reading is to keep them, the distributions there, [targets, 6].
    """
    found: dict[int, tuple[Logs, Logs]] = {}
    order = sorted((n for n, piece in enumerate(unit) if piece.window), key=lambda n: unit[n].inputs, reverse=True)
    for batch in reading.batches.split(order, lambda number: unit[number].inputs):
        pieces = [unit[number] for number in batch]
        for number, piece, (logs, expected) in zip(batch, pieces, _forward(model, pieces, reading), strict=True):
            targets = slice(len(piece.ids) - len(logs), None)
            scored = is_unambiguous(piece.ids[targets]) & ~piece.markup[targets]
            if not np.isfinite(logs[scored]).all():
                fix = "Use float32, or check the weights."
                raise InputError("a log-probability is not a number", fix=fix, kind="not-a-number")
            found[number] = np.where(scored, logs, np.float32(np.nan)), expected
    columns = len(DISTRIBUTION) if reading.distribution else 0
    parts = [(_nan(0), _nan(0, columns)), *(found[number] for number in sorted(found))]
    payload = {"logs": np.concatenate([logs for logs, _ in parts])}
    if reading.distribution:
        payload["distribution"] = np.concatenate([expected for _, expected in parts])
    return payload


def assemble(results: Results[Piece]) -> Iterator[Likelihood]:
    """The likelihood of each sequence, from the units of all."""
    kept: dict[str, Logs] = {}
    inputs = 0
    for unit, payload in results:
        place = 0
        for piece in unit:
            if not kept:
                kept = {name: _nan(piece.length, *values.shape[1:]) for name, values in payload.items()}
                inputs = 0
            if piece.window:
                for name, values in payload.items():
                    scored = slice(piece.window.first_target, piece.window.end + 1)
                    kept[name][scored] = values[place : place + piece.targets]
            place, inputs = place + piece.targets, inputs + piece.inputs
            if piece.last:
                yield Likelihood(**{name: values[piece.first :] for name, values in kept.items()}, inputs=inputs)
                kept = {}


def _nan(*shape: int) -> Logs:
    return np.full(shape, np.nan, dtype=np.float32)


def _forward(model: "PreTrainedModel", batch: Sequence[Piece], reading: Reading) -> Iterator[tuple[Logs, Logs]]:
    """Log-probabilities of the scored targets of each piece, whether they are bases or not; and the distributions."""
    import torch

    tokens = to_tensor(model, [piece.ids for piece in batch])
    skipped = min(piece.unscored for piece in batch)
    with torch.inference_mode():
        hidden = hidden_states(model, tokens[:, :-1])[:, skipped:]
        known = log_probabilities(model, hidden, acgt_only=reading.acgt_only)
        logs = known.gather(-1, tokens[:, skipped + 1 :, None])[..., 0].cpu().numpy()
        kept = distributions(known).cpu().numpy() if reading.distribution else np.empty((*logs.shape, 0), np.float32)
    for row, piece in enumerate(batch):
        scored = slice(piece.unscored - skipped, piece.inputs - skipped)
        yield logs[row, scored], kept[row, scored]
