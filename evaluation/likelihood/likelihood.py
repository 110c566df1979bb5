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
from foundation.errors import InputError
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
        raise InputError(problem, fix=f"Give --context-length {longest} or less.", kind="context-length")
    stride = max(1, context_length // 2) if stride is None else stride
    if not 1 <= stride <= context_length:
        problem = f"stride {stride} is outside [1, {context_length}], the context length"
        raise InputError(problem, fix=f"Give --stride {context_length} or less.", kind="stride")
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
            unscored = is_markup(ids)
            waiting[number] = entry = _Open(
                logs=_nothing(len(ids)),
                distribution=_nothing(len(ids), len(DISTRIBUTION)) if reading.distribution else None,
                first=first,
            )
            for window in windows:
                entry.missing += 1
                place = slice(window.start, window.end + 1)
                yield _Piece(sequence=number, window=window, ids=ids[place], markup=unscored[place])
            entry.planned = True

    for piece, logs, distribution in _batches(model, pieces(), reading):
        entry, scored = waiting[piece.sequence], slice(piece.window.first_target, piece.window.end + 1)
        entry.logs[scored] = logs
        if entry.distribution is not None:
            entry.distribution[scored] = distribution
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
    distribution: Logs | None
    first: int
    missing: int = 0
    inputs: int = 0
    planned: bool = False

    def result(self) -> Likelihood:
        distribution = None if self.distribution is None else self.distribution[self.first :]
        return Likelihood(logs=self.logs[self.first :], inputs=self.inputs, distribution=distribution)


def _nothing(*shape: int) -> Logs:
    return np.full(shape, np.nan, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One window of one sequence: `ids` are its inputs and the base after them, shape [length + 1].

    `markup`: which of them are tags and joins.
    """

    sequence: int
    window: Window
    ids: Ids
    markup: npt.NDArray[np.bool_]

    @property
    def unscored(self) -> int:
        """Predictions before the first that counts."""
        return self.window.first_target - self.window.start - 1


def _batches(
    model: "PreTrainedModel", pieces: Iterator[_Piece], reading: Reading
) -> Iterator[tuple[_Piece, Logs, Logs | None]]:
    """Each piece with the logs of its scored targets, shape [end + 1 - first_target], NaN where not A, C, G or T.

    And with the distributions there, [end + 1 - first_target, 6], where the reading is to keep them.
    """
    while ahead := reading.batches.ahead(pieces, _length):
        ahead.sort(key=_length, reverse=True)
        for batch in reading.batches.split(ahead, _length):
            for piece, (logs, distribution) in zip(batch, _forward(model, batch, reading), strict=True):
                targets = slice(len(piece.ids) - len(logs), None)
                scored = is_unambiguous(piece.ids[targets]) & ~piece.markup[targets]
                if not np.isfinite(logs[scored]).all():
                    raise InputError(
                        "a log-probability is not a number",
                        fix="Use float32, or check the weights.",
                        kind="not-a-number",
                    )
                yield piece, np.where(scored, logs, np.float32(np.nan)), distribution


def _length(piece: _Piece) -> int:
    return piece.window.length


def _forward(model: "PreTrainedModel", batch: Sequence[_Piece], reading: Reading) -> Iterator[tuple[Logs, Logs | None]]:
    """Log-probabilities of the scored targets of each piece, whether they are bases or not; and the distributions."""
    import torch

    tokens = to_tensor(model, [piece.ids for piece in batch])
    skipped = min(piece.unscored for piece in batch)
    with torch.inference_mode():
        hidden = hidden_states(model, tokens[:, :-1])[:, skipped:]
        known = log_probabilities(model, hidden, acgt_only=reading.acgt_only)
        logs = known.gather(-1, tokens[:, skipped + 1 :, None])[..., 0].cpu().numpy()
        kept = distributions(known).cpu().numpy() if reading.distribution else None
    for row, piece in enumerate(batch):
        scored = slice(piece.unscored - skipped, piece.window.length - skipped)
        yield logs[row, scored], None if kept is None else kept[row, scored]
