"""DeLong's test of two AUROCs on the same items (DeLong, DeLong and Clarke-Pearson 1988), in the time of a sort.

Sun and Xu (2014): the structural components are differences of mean ranks.
"""

import math
from dataclasses import dataclass

import numpy as np

from evaluation.statistics.ranking import Counts, Flags, Values


@dataclass(frozen=True, kw_only=True)
class AurocDifference:
    """The first AUROC less the second, its standard error, and the two-sided p of no difference."""

    value: float
    error: float
    p: float


def auroc_covariance(labels: Flags, scores: Values) -> tuple[Values, Values]:
    """AUROCs, [models], and their covariance, [models, models]; `scores`: [models, items]."""
    positive, negative = scores[:, labels], scores[:, ~labels]
    count, others = positive.shape[1], negative.shape[1]
    among_all = _mean_ranks(np.concatenate([positive, negative], axis=1))
    wins = (among_all[:, :count] - _mean_ranks(positive)) / others  # of each positive item over the negative ones
    losses = 1 - (among_all[:, count:] - _mean_ranks(negative)) / count
    covariance = np.cov(wins, ddof=1) / count + np.cov(losses, ddof=1) / others
    return wins.mean(axis=1), np.atleast_2d(covariance)


def compare_aurocs(labels: Flags, first: Values, second: Values) -> AurocDifference:
    """DeLong's test. Equal scores have no difference, with p 1."""
    aurocs, covariance = auroc_covariance(labels, np.stack([first, second]))
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    value, error = float(aurocs[0] - aurocs[1]), math.sqrt(max(float(variance), 0.0))
    if error == 0:
        return AurocDifference(value=value, error=0.0, p=1.0 if value == 0 else 0.0)
    return AurocDifference(value=value, error=error, p=math.erfc(abs(value / error) / math.sqrt(2)))


def _mean_ranks(values: Values) -> Values:
    """Ranks from 1 along the rows, ties with their mean."""
    return np.stack([_row_ranks(row) for row in values])


def _row_ranks(row: Values) -> Values:
    _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
    ends: Counts = counts.cumsum()
    ranks: Values = (ends - (counts - 1) / 2)[place]
    return ranks
