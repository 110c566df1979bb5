"""Markov chains of order 0 to 11: what counting bases alone achieves, and so what a language model has to beat.

Fitted on the training split and scored on the model's own targets. The chain of order k gives a base the probability
seen after the k bases before it; where fewer are known (a record's start, or after an N), the chain of that lower
order is used. So every order, and the model, scores exactly the same bases. Long orders say nothing of sequence that
is new, and much of sequence that has a relative in the training split.

Probabilities are (count + 1/2) / (total + 2), the estimator of Krichevsky and Trofimov (IEEE Transactions on
Information Theory 27(2), 1981): no base is impossible, and the cost of learning a context is within a constant of the
least possible in the worst case, which Laplace's count + 1 is not.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.baselines.kmers import KmerCounts, base_codes, offsets
from foundation.errors import InputError
from tokenizer.sequence import Ids

Values = npt.NDArray[np.float64]

PSEUDOCOUNT = 0.5
MAX_TRAINING_BASES = 500_000_000
"""Of a huge training split, the first so many bases are counted: 119 for each of the 4,194,304 longest contexts."""


@dataclass(frozen=True, kw_only=True)
class MarkovScore:
    """The chain of one order on held-out sequence: bases scored, and their summed loss."""

    order: int
    bases_scored: int
    nats: float

    @property
    def bits_per_base(self) -> float:
        """Mean loss in bits; NaN where no base was scored."""
        return self.nats / math.log(2) / self.bases_scored if self.bases_scored else math.nan


@dataclass(frozen=True, kw_only=True)
class RecordLoss:
    """One record: its targets, and their summed loss under the chain of each order, [orders]."""

    bases_scored: int
    nats: Values


@dataclass(frozen=True, kw_only=True)
class Chains:
    """The chains of order 0 to `order`. `logs`: their tables, end to end."""

    order: int
    logs: Values

    def table(self, order: int) -> Values:
        """Natural log of P(base | last `order` bases), [4**order, 4]; rows and columns in the order A, C, G, T."""
        start, stop = offsets(order)[order : order + 2]
        return self.logs[start:stop].reshape(4**order, 4)

    def score(self, ids: Ids) -> RecordLoss:
        """The loss of one record."""
        from evaluation.baselines.counting import losses

        nats = np.zeros(self.order + 1)
        targets = losses(base_codes(ids), self.order, offsets(self.order), self.logs, nats)
        return RecordLoss(bases_scored=targets, nats=nats)


def fit_chains(training: KmerCounts, source: object = None) -> Chains:
    """The chains of all orders that were counted in `source`. Errors: `InputError` for nothing to learn."""
    if not training.targets:
        raise InputError(
            "has no base to count in its training split",
            where=source,
            fix="Prepare a corpus with a training split.",
            kind="no-base-to-count",
        )
    places = offsets(training.order)
    logs = np.empty(places[-1])
    for order, total in zip(range(training.order, -1, -1), training.at_least(), strict=True):
        counts = total + PSEUDOCOUNT
        counts /= counts.sum(axis=1, keepdims=True)
        np.log(counts, out=logs[places[order] : places[order + 1]].reshape(counts.shape))
    return Chains(order=training.order, logs=logs)


def score_markov(records: Iterable[RecordLoss]) -> tuple[MarkovScore, ...]:
    """The chains of all orders on all records together."""
    known = list(records)
    targets = sum(record.bases_scored for record in known)
    nats = np.array([record.nats for record in known]).T
    return tuple(
        MarkovScore(order=order, bases_scored=targets, nats=math.fsum(row)) for order, row in enumerate(nats.tolist())
    )


def best_markov(scores: tuple[MarkovScore, ...]) -> MarkovScore:
    """The order with the fewest bits per base, chosen on the held-out bases: the choice favours the baseline."""
    return min(scores, key=lambda score: score.bits_per_base)
