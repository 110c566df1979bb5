"""What a model with a head says of records: probabilities of its labels, or numbers; of each base, for such heads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from configs.heads import Head
from evaluation.labelled.measures import probabilities
from evaluation.likelihood.batches import check_batch_size
from evaluation.likelihood.forward import hidden_states, to_tensor
from evaluation.likelihood.model import head_of
from evaluation.prediction.records import Record
from foundation.errors import InputError
from foundation.spelling import option
from tokenizer.sequence import reverse_complement

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Outputs = npt.NDArray[np.float64]

_LOOK_AHEAD = 16  # batches that are sorted by length together, so that little is padded


@dataclass(frozen=True, kw_only=True)
class Predicting:
    """How records are predicted. `both_strands`: probabilities, or numbers, are averaged over both."""

    head: Head
    both_strands: bool = False
    calibrated: bool = False
    batch_size: int = 8

    def __post_init__(self) -> None:
        check_batch_size(self.batch_size)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """`outputs`: probabilities or numbers, [labels], or [bases, labels] in the order of the record."""

    record: Record
    outputs: Outputs


def check_predictor(directory: Path, adapter: Path | None = None, *, calibrated: bool = False) -> Head:
    """The head of the model in `directory`. Errors: `InputError` where it has none, or is not calibrated."""
    head = head_of(directory, adapter)
    if head is None:
        fix = "Give an export of a run with a head (llama3_8b_genomic_classify). For this model, use score or variants."
        raise InputError("is a language model, without a head", where=directory, fix=fix, kind="no-head")
    if calibrated:
        check_calibrated(head, adapter or directory)
    return head


def check_calibrated(head: Head, where: object) -> None:
    """Errors: `InputError` for a head whose probabilities cannot be calibrated."""
    if not head.scale:
        fix = f"Leave {option('calibrated')} out; only classes are calibrated, if the exported step was validated."
        raise InputError("was not calibrated", where=where, fix=fix, kind="not-calibrated")


def predict(model: "PreTrainedModel", records: Iterable[Record], how: Predicting) -> Iterator[Prediction]:
    """The prediction of each record, in order. Errors: `InputError` for outputs that are not numbers."""
    remaining = iter(records)
    while ahead := list(islice(remaining, how.batch_size * _LOOK_AHEAD)):
        found: dict[int, Outputs] = {}
        longest_first = sorted(range(len(ahead)), key=lambda number: -len(ahead[number].ids))
        for first in range(0, len(ahead), how.batch_size):
            numbers = longest_first[first : first + how.batch_size]
            found |= dict(zip(numbers, _outputs(model, [ahead[number] for number in numbers], how), strict=True))
        yield from (Prediction(record=record, outputs=found[number]) for number, record in enumerate(ahead))


def _outputs(model: "PreTrainedModel", batch: list[Record], how: Predicting) -> list[Outputs]:
    forward = _strand(model, [record.ids for record in batch], how)
    if not how.both_strands:
        return forward
    reverse = _strand(model, [reverse_complement(record.ids) for record in batch], how)
    if how.head.per_base:
        reverse = [one[::-1] for one in reverse]
    return [(one + other) / 2 for one, other in zip(forward, reverse, strict=True)]


def _strand(model: "PreTrainedModel", sequences: list[Any], how: Predicting) -> list[Outputs]:
    """Probabilities or numbers of one reading of each sequence."""
    head = how.head
    logits = head_logits(model, sequences, head)
    for one in logits:
        if not np.isfinite(one).all():
            fix = "Use float32, or check the weights."
            raise InputError("an output is not a number", fix=fix, kind="not-a-number")
    if how.calibrated:
        logits = [one * np.array(head.scale) + np.array(head.shift) for one in logits]
    if head.mean:
        logits = [one * np.array(head.std) + np.array(head.mean) for one in logits]
    return [probabilities(head.kind, one) for one in logits]


def head_logits(model: "PreTrainedModel", sequences: list[Any], head: Head) -> list[Outputs]:
    """Logits of each sequence, [labels], or of each of its bases, [bases, labels]; padding is on the right."""
    import torch

    tokens = to_tensor(model, sequences)
    lengths = [len(ids) for ids in sequences]
    score: Any = model.score
    with torch.inference_mode():
        hidden = hidden_states(model, tokens)
        if head.pooling == "last":
            rows = hidden[torch.arange(len(lengths)), torch.tensor(lengths) - 1]
            return list(score(rows).double().cpu().numpy())
        logits = score(hidden).double().cpu().numpy()
    bases = [one[:length] for one, length in zip(logits, lengths, strict=True)]
    return [one.mean(axis=0) for one in bases] if head.pooling == "mean" else bases
