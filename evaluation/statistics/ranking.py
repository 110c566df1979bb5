"""Area under curves and rank correlation of weighted items; a weight is how often a resample has drawn an item.

Weights have the shape [resamples, items]. Ties count half in AUROC, share one threshold in average precision, and get
their mean rank in Spearman's correlation, as scikit-learn and SciPy have it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


def areas(positives: Counts, negatives: Counts) -> tuple[Values, Values]:
    """AUROC and average precision, [R]; how many of each kind have each score, highest first, [R, scores].

    NaN for a resample that has one kind alone.
    """
    found, false = positives.cumsum(axis=1), negatives.cumsum(axis=1)
    total, others = found[:, -1], false[:, -1]
    beaten = others[:, None] - false + negatives / 2  # ties count half
    both = (total > 0) & (others > 0)
    auroc = (positives * beaten).sum(axis=1) / np.where(both, total * others, 1)
    precision = found / np.maximum(found + false, 1)
    auprc = (positives * precision).sum(axis=1) / np.maximum(total, 1)
    return np.where(both, auroc, np.nan), np.where(both, auprc, np.nan)


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Items with a label and a score, sorted once for many resamples."""

    labels: Flags
    scores: Values

    @cached_property
    def _order(self) -> tuple[Counts, Counts]:
        """The items from the highest score down, and where in that order each distinct score begins."""
        return _groups(-self.scores)

    def areas(self, weights: Counts) -> tuple[Values, Values]:
        """AUROC and average precision under each row of `weights`."""
        order, starts = self._order
        labels, drawn = self.labels[order], weights[:, order]
        counts = (np.add.reduceat(drawn * kind, starts, axis=1) for kind in (labels, ~labels))
        return areas(*counts)

    def auroc(self, weights: Counts) -> Values:
        """How often a positive item has a higher score than a negative one."""
        return self.areas(weights)[0]

    def auprc(self, weights: Counts) -> Values:
        """Average precision."""
        return self.areas(weights)[1]


@dataclass(frozen=True, kw_only=True)
class Correlated:
    """Items with a measured value and a score."""

    measured: Values
    scores: Values

    @cached_property
    def _orders(self) -> list[tuple[Counts, Counts]]:
        return [_groups(values) for values in (self.measured, self.scores)]

    def spearman(self, weights: Counts) -> Values:
        """Spearman's rank correlation under each row of `weights`; NaN where all values are one."""
        ranks = [_ranks(order, starts, weights) for order, starts in self._orders]
        total = np.maximum(weights.sum(axis=1, keepdims=True), 1)
        centred = [one - (one * weights).sum(axis=1, keepdims=True) / total for one in ranks]
        first, second = centred
        together = (weights * first * second).sum(axis=1)
        scale = np.sqrt((weights * first**2).sum(axis=1) * (weights * second**2).sum(axis=1))
        return np.where(scale > 0, together / np.where(scale > 0, scale, 1), np.nan)


def _groups(values: Values) -> tuple[Counts, Counts]:
    """The order of ascending `values`, and where in it each distinct value begins."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    return order, np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def _ranks(order: Counts, starts: Counts, weights: Counts) -> Values:
    """Mean ranks of the items in each resample, [R, items], in the order of the items."""
    groups = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = groups.cumsum(axis=1) - groups + (groups + 1) / 2
    sizes = np.diff(np.append(starts, len(order)))
    ranks = np.empty(weights.shape)
    ranks[:, order] = np.repeat(middle, sizes, axis=1)
    return ranks
