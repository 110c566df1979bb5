"""Likelihood of sequence under a causal language model: nats per base, summed per record.

No BOS, so base 0 has no score; only A, C, G and T targets are scored; EOS is no base. The softmax is over all 256
ids, in fp32 whatever the model's dtype (bf16 errs as much as a variant's effect), and sums are in fp64. Padding is on
the right, where causal attention lets no scored base see it.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from conduct.errors import InputError
from conduct.progress import progress_bar
from evaluation.score import RecordScore, Score
from evaluation.windows import Window, plan_windows
from tokenizer.sequence import Ids, is_unambiguous, not_nucleotides, to_upper
from tokenizer.vocabulary import PAD

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Nats = npt.NDArray[np.float64]
Document = tuple[str, Ids]

_JOINTS = b"@#"  # OpenGenome2 joins stitched pieces and contigs with them
_LOOK_AHEAD = 16  # batches that are sorted by length together, so that little is padded


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One window of one record: `ids` are its inputs and the base after them, shape [length + 1]."""

    record: int
    window: Window
    ids: Ids


def score_records(
    model: "PreTrainedModel",
    documents: Iterable[Document],
    *,
    name: str,
    source: str,
    split: str | None = None,
    context_length: int | None = None,
    stride: int | None = None,
    batch_size: int = 8,
    total_bases: int | None = None,
) -> Score:
    """Score `documents`, pairs of a name and ids of shape [bases], in batches of `batch_size` windows.

    `context_length` is the model's own unless given, `stride` half of it. `total_bases` is for the progress bar.
    `name` (of the model), `source` and `split` are copied into the result. Errors: `InputError` for a record with
    characters that are no nucleotides, for documents without one scored base, and for a loss that is no number.
    """
    context_length, stride = _context(model, context_length, stride)
    names, lengths, nats, scored = list[str](), list[int](), list[float](), list[int]()
    tokens, started = 0, time.perf_counter()

    def pieces() -> Iterator[_Piece]:
        for index, (record, ids) in enumerate(documents):
            names.append(record)
            lengths.append(len(ids))
            nats.append(0.0)
            scored.append(0)
            yield from _pieces(index, _checked(record, ids), context_length, stride)

    with progress_bar(f"Scoring {source}", total=total_bases, unit="b") as advance:
        for piece, losses in _losses(model, pieces(), batch_size):
            values = losses[~np.isnan(losses)]
            nats[piece.record] += float(values.sum())
            scored[piece.record] += len(values)
            tokens += piece.window.length
            advance(len(losses))
    rows = zip(names, lengths, scored, nats, strict=True)
    records = tuple(RecordScore(name=n, length=length, bases_scored=s, nats=x) for n, length, s, x in rows)
    score = Score(
        model=name,
        source=source,
        split=split,
        parameters=model.num_parameters(),
        dtype=str(model.dtype).removeprefix("torch."),
        context_length=context_length,
        stride=stride,
        tokens=tokens,
        seconds=time.perf_counter() - started,
        records=records,
    )
    if not score.bases_scored:
        raise InputError("has no base to score", where=source, fix="A record needs two bases, A, C, G or T, at least.")
    return score


def base_nats(
    model: "PreTrainedModel",
    ids: Ids,
    *,
    context_length: int | None = None,
    stride: int | None = None,
    batch_size: int = 8,
) -> Nats:
    """Loss of every base of one sequence in nats, shape [bases]; NaN where it has no score."""
    context_length, stride = _context(model, context_length, stride)
    result = np.full(len(ids), np.nan)
    for piece, losses in _losses(model, _pieces(0, _checked("sequence", ids), context_length, stride), batch_size):
        result[piece.window.first_target : piece.window.end + 1] = losses
    return result


def _context(model: "PreTrainedModel", context_length: int | None, stride: int | None) -> tuple[int, int]:
    longest = int(model.config.max_position_embeddings)
    context_length = context_length or longest
    if not 1 <= context_length <= longest:
        raise InputError(f"context length {context_length} is outside [1, {longest}], the model's positions")
    stride = stride or max(1, context_length // 2)
    if not 1 <= stride <= context_length:
        raise InputError(f"stride {stride} is outside [1, {context_length}], the context length")
    return context_length, stride


def _checked(record: str, ids: Ids) -> Ids:
    strange = not_nucleotides(ids.tobytes().translate(None, _JOINTS))
    if strange:
        shown = strange[:10].decode("latin-1")
        raise InputError(f"has characters that are no nucleotides: {shown!r}", where=f"record {record!r}")
    return to_upper(ids)


def _pieces(record: int, ids: Ids, context_length: int, stride: int) -> Iterator[_Piece]:
    for window in plan_windows(len(ids), context_length=context_length, stride=stride):
        yield _Piece(record=record, window=window, ids=ids[window.start : window.end + 1])


def _losses(model: "PreTrainedModel", pieces: Iterator[_Piece], batch_size: int) -> Iterator[tuple[_Piece, Nats]]:
    """Each piece with the nats of its scored targets, shape [end + 1 - first_target], NaN where not A, C, G or T."""
    while ahead := list(islice(pieces, batch_size * _LOOK_AHEAD)):
        ahead.sort(key=lambda piece: piece.window.length, reverse=True)
        for first in range(0, len(ahead), batch_size):
            batch = ahead[first : first + batch_size]
            for piece, losses in zip(batch, _forward(model, batch), strict=True):
                new = losses[piece.window.first_target - piece.window.start - 1 :]
                targets = piece.ids[len(piece.ids) - len(new) :]
                if not np.isfinite(new).all():
                    raise InputError("the model's loss is not a number", fix="Score in float32, or check the weights.")
                yield piece, np.where(is_unambiguous(targets), new, np.nan)


def _forward(model: "PreTrainedModel", batch: list[_Piece]) -> list[Nats]:
    """The nats of every target of each piece, shapes [length]."""
    import torch

    width = max(len(piece.ids) for piece in batch)
    tokens = np.full((len(batch), width), PAD.id, dtype=np.int64)
    for row, piece in enumerate(batch):
        tokens[row, : len(piece.ids)] = piece.ids
    tokens_BT = torch.from_numpy(tokens).to(model.device)  # noqa: N806
    with torch.inference_mode():
        logits_BSV = model(input_ids=tokens_BT[:, :-1], use_cache=False).logits.float()  # noqa: N806
        losses_BS = torch.nn.functional.cross_entropy(  # noqa: N806
            logits_BSV.flatten(0, 1), tokens_BT[:, 1:].flatten(), reduction="none"
        ).view(len(batch), width - 1)
    losses = losses_BS.double().cpu().numpy()
    return [losses[row, : piece.window.length] for row, piece in enumerate(batch)]
