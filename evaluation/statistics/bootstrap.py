"""Intervals by resampling: of items within their class, or of whole clusters, such as genes and chromosomes.

Items of one gene share its sequence and its biology, so that resampling them singly makes intervals too narrow.
Two models on the same items are compared under the same resamples: the difference has a narrower interval than either.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from evaluation.statistics.ranking import Counts, Flags, Values

RESAMPLES = 1000
_CELLS = 4_000_000  # weights held at once

Statistic = Callable[[Counts], Values]
"""From weights [R, units] to a value per resample."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95% interval and standard error over the resamples; None if too few are defined."""

    value: float
    low: float | None
    high: float | None
    error: float | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A value less another's; `p`: two-sided, of no difference."""

    value: float
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True, kw_only=True)
class Units:
    """What is resampled. `clusters`: a number for each item; `labels`: items are drawn within their class.

    With clusters, labels do not matter: a cluster comes with all its items.
    """

    count: int
    clusters: Counts | None = None
    labels: Flags | None = None
    seed: int = 0

    @property
    def drawn(self) -> int:
        """How many units are resampled: clusters, or items."""
        return self.count if self.clusters is None else len(np.unique(self.clusters))

    def weights(self) -> Iterator[Counts]:
        """Weights of the items, [some resamples, items]; together `RESAMPLES`. The same units give the same weights."""
        random, left = np.random.default_rng(self.seed), RESAMPLES
        step = max(1, _CELLS // max(self.count, 1))
        while left > 0:
            yield self._draw(random, min(step, left))
            left -= step

    def _draw(self, random: np.random.Generator, size: int) -> Counts:
        if self.clusters is not None:
            _, places = np.unique(self.clusters, return_inverse=True)
            number = self.drawn
            return random.multinomial(number, np.full(number, 1 / number), size=size)[:, places]
        weights = np.empty((size, self.count), np.int64)
        kinds = [np.ones(self.count, bool)] if self.labels is None else [self.labels, ~self.labels]
        for kind in kinds:
            if number := int(kind.sum()):
                weights[:, kind] = random.multinomial(number, np.full(number, 1 / number), size=size)
        return weights


def estimate(statistic: Statistic, units: Units) -> Estimate:
    """`statistic` of all items, and its interval."""
    value = float(statistic(np.ones((1, units.count), np.int64))[0])
    low, high, error = _spread(np.concatenate([statistic(weights) for weights in units.weights()]), units)
    return Estimate(value=value, low=low, high=high, error=error)


def difference(first: Statistic, second: Statistic, units: Units) -> Difference:
    """`first` less `second`, of the same items, under the same resamples."""
    whole = np.ones((1, units.count), np.int64)
    resampled = np.concatenate([first(weights) - second(weights) for weights in units.weights()])
    low, high, _ = _spread(resampled, units)
    known = resampled[np.isfinite(resampled)]
    tail = min((known <= 0).sum(), (known >= 0).sum())
    p = None if low is None else min(1.0, 2 * (int(tail) + 1) / (len(known) + 1))
    return Difference(value=float((first(whole) - second(whole))[0]), low=low, high=high, p=p)


def _spread(resampled: Values, units: Units) -> tuple[float | None, float | None, float | None]:
    """Percentiles and standard deviation; None for one unit, or where most resamples have no value."""
    known = resampled[np.isfinite(resampled)]
    if units.drawn < 2 or len(known) < len(resampled) / 2:
        return None, None, None
    low, high = np.percentile(known, [2.5, 97.5])
    error = float(known.std(ddof=1))
    return float(low), float(high), error if math.isfinite(error) else None
