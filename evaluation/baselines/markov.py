"""Markov chains of order 0 to 6: what counting bases alone achieves, and so what a language model has to beat.

Fitted on the training split and scored on the model's own targets. The chain of order k gives a base the probability
seen after the k bases before it; where fewer are known (a record's start, or after an N), the chain of that lower
order is used. So every order, and the model, scores exactly the same bases.

Probabilities are (count + 1/2) / (total + 2), the estimator of Krichevsky and Trofimov (IEEE Transactions on
Information Theory 27(2), 1981): no base is impossible, and the cost of learning a context is within a constant of the
least possible in the worst case, which Laplace's count + 1 is not.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.baselines.kmers import MAX_ORDER, KmerCounts
from foundation.errors import InputError

PSEUDOCOUNT = 0.5
MAX_TRAINING_BASES = 500_000_000
"""Of a huge training split, the first so many bases are counted: 122,000 for each of the 4,096 longest contexts."""


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


def log_probabilities(training: KmerCounts, order: int) -> npt.NDArray[np.float64]:
    """Natural log of P(base | last `order` bases), shape [4**order, 4]; rows and columns in the order A, C, G, T."""
    counts = training.at_least(order) + PSEUDOCOUNT
    logs: npt.NDArray[np.float64] = np.log(counts / counts.sum(axis=1, keepdims=True))
    return logs


def score_markov(training: KmerCounts, held_out: KmerCounts, source: object = None) -> tuple[MarkovScore, ...]:
    """The chains of order 0 to 6, fitted to `training` of `source`, on `held_out`.

    Errors: `InputError` for nothing to learn.
    """
    if not training.targets:
        raise InputError(
            "has no base to count in its training split",
            where=source,
            fix="Prepare a corpus with a training split.",
            kind="no-base-to-count",
        )
    tables = [log_probabilities(training, order) for order in range(MAX_ORDER + 1)]
    return tuple(_score(tables, held_out, order) for order in range(MAX_ORDER + 1))


def best_markov(scores: tuple[MarkovScore, ...]) -> MarkovScore:
    """The order with the fewest bits per base, chosen on the held-out bases: the choice favours the baseline."""
    return min(scores, key=lambda score: score.bits_per_base)


def _score(tables: list[npt.NDArray[np.float64]], held_out: KmerCounts, order: int) -> MarkovScore:
    counts = [*held_out.exact[:order], held_out.at_least(order)]
    nats = -sum(float((count * table).sum()) for count, table in zip(counts, tables[: order + 1], strict=True))
    return MarkovScore(order=order, bases_scored=held_out.targets, nats=nats)
