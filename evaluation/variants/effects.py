"""The effect of variants on the log-likelihood: one pass per reference window, and only the rest for each alternative.

Up to the first base that differs, both sequences are the same, so the keys and values of the reference's pass are the
alternative's too, and so are the log-probabilities. What is left is the part from there on: half a pass for a variant
in the middle of its window. The differing base's own probability comes from the reference's pass as well.

Whatever the model's dtype, what is compared is computed in fp32: rounding in half precision differs from one sequence
to the other and adds up over the bases after the variant, where the effect does not. What both share, the keys and
values of the bases before it, stays in the model's dtype.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.attention import Recorder, SharedPrefix
from evaluation.likelihood.batches import Batching, plan_batches
from evaluation.likelihood.forward import hidden_states, log_probabilities, target_log_probabilities, to_tensor
from evaluation.likelihood.precision import single_precision
from evaluation.variants.alleles import SCORED, Allele, distinct
from evaluation.variants.distances import NO_SHIFT, Shift, compare, mean
from evaluation.variants.windows import Alternative, Placement, Strand, WindowKey, place
from foundation.errors import InputError
from foundation.progress import Advance, no_progress
from tokenizer.sequence import Ids, is_unambiguous

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

LOOK_AHEAD = 256  # alleles whose windows are compared, so that equal ones are read once
_SLACK = 64  # bases that a row may read again, so that alternatives with other first bases share a pass


@dataclass(frozen=True, kw_only=True)
class Effect:
    """ln P(alternative) - ln P(reference) over the window of each strand; None where it was not compared."""

    forward: "StrandEffect | None"
    reverse: "StrandEffect | None"

    @property
    def read(self) -> "list[StrandEffect]":
        """The strands that were compared."""
        return [one for one in (self.forward, self.reverse) if one is not None]

    @property
    def delta(self) -> float:
        """The mean of the strands that were compared; below zero, the model prefers the reference."""
        return sum(one.delta for one in self.read) / len(self.read)

    @property
    def mean(self) -> float:
        """`delta` per compared base, as Evo 2's notebooks give it."""
        return sum(one.delta / one.targets for one in self.read) / len(self.read)

    @property
    def shift(self) -> Shift | None:
        """The mean of the strands; None where none was asked for, or no base is left after the variant."""
        shifts = [one.shift for one in self.read if one.shift is not None]
        return mean(shifts) if shifts else None


@dataclass(frozen=True, kw_only=True)
class StrandEffect:
    """Nats, summed over the `targets` bases of each sequence that were compared: A, C, G or T, and predicted."""

    delta: float
    targets: int
    shift: Shift | None = None


def variant_effects(
    model: "PreTrainedModel",
    alleles: Sequence[Allele],
    contigs: Mapping[str, Ids],
    placement: Placement,
    *,
    readings: tuple[bool, ...],
    batch_size: int | None = None,
    distances: bool = False,
    advance: Advance = no_progress,
) -> Iterator[list[Effect | None]]:
    """Effects in order, in lists of up to `LOOK_AHEAD`; None for an allele that is not to be scored, or cannot be
    compared on any strand.

    `readings`: False for the forward strand, True for the reverse. `batch_size`: sequences of one forward pass, as
    many as memory allows unless given. `distances`: give the `Shift` of each too. `advance` gets the alleles done, a
    part for each strand.
    """
    rest, batches = iter(alleles), plan_batches(model, batch_size)
    while ahead := list(islice(rest, LOOK_AHEAD)):
        found: dict[tuple[int, bool], StrandEffect] = {}
        for reverse in readings:
            strands = {name: Strand(contig=ids, reverse=reverse) for name, ids in contigs.items()}
            all_placed = (
                place(allele, number, strands[allele.record.contig], placement)
                for number, allele in enumerate(ahead)
                if allele.status == SCORED
            )
            for one, effect in _compared(model, list(all_placed), strands, batches, distances):
                if effect is not None:
                    found[one.allele, reverse] = effect
                advance(1 / len(readings))
        yield [_effect(found.get((number, False)), found.get((number, True))) for number in range(len(ahead))]


def allele_effects(
    model: "PreTrainedModel", alleles: Sequence[Allele], contigs: Mapping[str, Ids], placement: Placement, **how: Any
) -> list[Effect | None]:
    """The effect of each allele, those of one haplotype from one of them; `how` as for `variant_effects`."""
    haplotypes, which = distinct([allele for allele in alleles if allele.status == SCORED])
    found = list(chain.from_iterable(variant_effects(model, haplotypes, contigs, placement, **how)))
    places = iter(which)
    return [found[next(places)] if allele.status == SCORED else None for allele in alleles]


def _effect(forward: StrandEffect | None, reverse: StrandEffect | None) -> Effect | None:
    return Effect(forward=forward, reverse=reverse) if forward or reverse else None


def _compared(
    model: "PreTrainedModel",
    placed: list[Alternative],
    strands: Mapping[str, Strand],
    batches: Batching,
    distances: bool,
) -> Iterator[tuple[Alternative, StrandEffect | None]]:
    """Each with its effect, from reference windows of one length, a batch at a time.

    None where nothing is compared: a window of one base, or one that ends before the sequences differ.
    """
    windows: dict[WindowKey, list[Alternative]] = {}
    for one in placed:
        if one.first < len(one.ids) and len(one.ids) > 1:
            windows.setdefault(one.key, []).append(one)
        else:
            yield one, _unchanged(one, distances)
    keys = sorted(windows, key=lambda key: key.end - key.start)
    while keys:
        length = keys[0].end - keys[0].start
        group = [key for key in keys[: batches.count(length)] if key.end - key.start == length]
        keys = keys[len(group) :]
        bases = [strands[key.contig].slice(key.start, key.end) for key in group]
        reference = _Reference(model, bases, [windows[key] for key in group], distances)
        yield from reference.effects(batches)


def _unchanged(one: Alternative, distances: bool) -> StrandEffect | None:
    """No change where ALT is REF; otherwise nothing can be said."""
    targets = int(is_unambiguous(one.ids[1:]).sum())
    if not one.is_reference or not targets:
        return None
    return StrandEffect(delta=0.0, targets=targets, shift=NO_SHIFT if distances else None)


class _Reference:
    """Reference windows of one length, read once, and what their alternatives change."""

    def __init__(
        self, model: "PreTrainedModel", windows: list[Ids], alternatives: list[list[Alternative]], distances: bool
    ) -> None:
        import torch

        self._model, self._windows, self._distances = model, windows, distances
        rows = [(row, one) for row, ones in enumerate(alternatives) for one in ones]
        self._rows = sorted(rows, key=lambda pair: pair[1].first)
        self._from = max(0, self._rows[0][1].first - 1)  # the first prediction that is needed
        self._recorder = Recorder()
        tokens = to_tensor(model, windows)
        shared, rest = tokens[:, : self._from], tokens[:, self._from :]
        with torch.inference_mode():
            if self._from:
                hidden_states(model, shared, context=self._recorder)
            with single_precision(model):
                self._hidden = hidden_states(model, rest[:, :-1], start=self._from, context=self._recorder)
                self._predictions = log_probabilities(model, self._hidden)
            logs = self._predictions.gather(-1, rest[:, 1:, None])[..., 0]
        self._logs = logs.cpu().numpy()

    def effects(self, batches: Batching) -> Iterator[tuple[Alternative, StrandEffect | None]]:
        """Every alternative with its effect, None where no base from the first that differs is predicted."""
        rows = self._rows
        while rows:
            first = rows[0][1].first
            size = batches.count(len(self._windows[0]) - first)
            batch = [pair for pair in rows[:size] if pair[1].first <= first + _SLACK]
            rows = rows[len(batch) :]
            yield from self._pass(batch, cut=first)

    def _pass(
        self, batch: list[tuple[int, Alternative]], *, cut: int
    ) -> Iterator[tuple[Alternative, StrandEffect | None]]:
        logs, outputs = self._continue(batch, cut)
        for number, (row, one) in enumerate(batch):
            scored = is_unambiguous(one.ids)
            before = is_unambiguous(self._windows[row])
            first, end = max(1, one.first), len(one.ids)
            reference = self._logs[row, first - 1 - self._from : end - 1 - self._from][before[first:end]]
            alternative = logs[number, one.first - cut : end - 1 - cut][scored[one.first + 1 : end]]
            if one.first and scored[one.first]:
                own = self._predictions[row, one.first - 1 - self._from, int(one.ids[one.first])]
                alternative = np.concatenate([[float(own)], alternative])
            bases = min(len(reference), len(alternative))  # an indel may draw N into the window, or push it out
            delta = _sum(alternative[:bases]) - _sum(reference[:bases])
            targets = int(before[1:first].sum()) + bases
            shift = self._shift(row, one, tuple(part[number] for part in outputs), cut) if outputs else None
            yield one, StrandEffect(delta=delta, targets=targets, shift=shift) if bases else None

    def _shift(self, row: int, one: Alternative, outputs: "tuple[Tensor, ...]", cut: int) -> Shift | None:
        """What changes from the first base that differs on; None where no base is left."""
        same = max(0, one.first + 1 - one.ref_end, one.first + 1 - one.alt_end)
        old, new = one.ref_end - 1 + same, one.alt_end - 1 + same
        bases = min(len(self._windows[row]) - 1 - old, len(one.ids) - 1 - new)
        if bases < 1:
            return None
        old, new = old - self._from, new - cut
        before = self._predictions[row, old : old + bases], self._hidden[row, old : old + bases]
        return compare(before, (outputs[0][new : new + bases], outputs[1][new : new + bases]))

    def _continue(
        self, batch: list[tuple[int, Alternative]], cut: int
    ) -> "tuple[npt.NDArray[np.float32], tuple[Tensor, Tensor] | None]":
        """Log-probabilities of the bases after `cut` of each alternative, [B, longest - cut - 1].

        With distances, also of all tokens, [B, longest - cut - 1, 256], and the hidden states.
        """
        import torch

        inputs = [one.ids[cut:] for _, one in batch]
        if max(map(len, inputs)) < 2:
            return np.zeros((len(batch), 0), dtype=np.float32), None
        tokens: Tensor = to_tensor(self._model, inputs)
        prefix = SharedPrefix(self._recorder, length=cut, rows=[row for row, _ in batch]) if cut else None
        with torch.inference_mode(), single_precision(self._model):
            hidden = hidden_states(self._model, tokens[:, :-1], start=cut, context=prefix)
            if not self._distances:
                return target_log_probabilities(self._model, hidden, tokens[:, 1:]).cpu().numpy(), None
            known = log_probabilities(self._model, hidden)
            return known.gather(-1, tokens[:, 1:, None])[..., 0].cpu().numpy(), (known, hidden)


def _sum(logs: npt.NDArray[np.float32]) -> float:
    if not np.isfinite(logs).all():
        raise InputError(
            "a log-probability is not a number", fix="Use float32, or check the weights.", kind="not-a-number"
        )
    return float(logs.sum(dtype=np.float64))
