"""Measures of sets in which each positive item has controls of its own, or each chromosome its share of items."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluation.statistics.ranking import Counts, Flags, Ranked, Values


@dataclass(frozen=True, kw_only=True)
class PerGroup:
    """One value per group, and how many items it is of."""

    values: Values
    sizes: Counts

    @property
    def error(self) -> float | None:
        """The standard error of the plain mean of `values`; None for fewer than two."""
        return float(self.values.std(ddof=1) / np.sqrt(len(self.values))) if len(self.values) > 1 else None

    def mean(self, weights: Counts) -> Values:
        """The mean under each row of `weights`, [R, groups], every group alike."""
        means: Values = (weights @ self.values) / np.maximum(weights.sum(axis=1), 1)
        return means

    def weighted_mean(self, weights: Counts) -> Values:
        """The mean under each row of `weights`, [R, groups], groups by their size."""
        means: Values = (weights @ (self.values * self.sizes)) / np.maximum(weights @ self.sizes, 1)
        return means


def pairwise_accuracy(labels: Flags, scores: Values, groups: Counts) -> PerGroup:
    """Per match group: the share of pairs of a positive and a control that the positive wins; a tie is half.

    Groups that have one kind alone are left out.
    """
    return _per_group(groups, lambda rows: _share(labels[rows], scores[rows]))


def auprc_by_group(labels: Flags, scores: Values, groups: Counts) -> PerGroup:
    """Average precision per group, of chromosomes say; those that have one kind alone are left out."""

    def auprc(rows: Counts) -> float:
        return float(Ranked(labels=labels[rows], scores=scores[rows]).auprc(np.ones((1, len(rows)), np.int64))[0])

    return _per_group(groups, auprc)


def _per_group(groups: Counts, measure: Callable[[Counts], float]) -> PerGroup:
    order = np.argsort(groups, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else []
    found = [(measure(some), len(some)) for some in rows]
    kept = [pair for pair in found if not np.isnan(pair[0])]
    return PerGroup(values=np.array([value for value, _ in kept]), sizes=np.array([size for _, size in kept], np.int64))


def _share(labels: Flags, scores: Values) -> float:
    if labels.all() or not labels.any():
        return float("nan")
    over = scores[labels][:, None] - scores[~labels][None, :]
    return float((over > 0).mean() + (over == 0).mean() / 2)
