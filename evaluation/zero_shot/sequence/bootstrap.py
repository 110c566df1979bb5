"""95% intervals where the items of a cluster, such as a gene, belong together: whole clusters are drawn again."""

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from evaluation.variants.measures import measure

RESAMPLES = 1000
Interval = tuple[float, float, float]
"""A value, and the ends of its interval."""
Values = npt.NDArray[np.float64]


def mean_interval(sums: Values, counts: Values, seed: int = 0) -> Interval:
    """All sums over all counts, [clusters] each, with its interval; the interval is the value for one cluster."""
    value = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return value, value, value
    weights = _weights(len(sums), seed)
    drawn = (weights @ sums) / np.maximum(weights @ counts, 1e-12)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return value, float(low), float(high)


def discrimination(
    scores: Values, labels: npt.NDArray[np.bool_], clusters: Sequence[Hashable], seed: int = 0
) -> dict[str, Interval]:
    """AUROC and AUPRC of scores that are high for what is labelled, each with its interval. Both labels are there."""
    thresholds, place = np.unique(-scores, return_inverse=True)
    order, starts = np.argsort(place, kind="stable"), np.searchsorted(np.sort(place), np.arange(len(thresholds)))
    number = {name: index for index, name in enumerate(dict.fromkeys(clusters))}
    which = np.array([number[name] for name in clusters])

    def counts(weights: npt.NDArray[np.int64], kind: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = np.add.reduceat((weights[:, which] * kind)[:, order], starts, axis=1)
        return found

    one = np.ones((1, len(number)), dtype=np.int64)
    points = measure(counts(one, labels), counts(one, ~labels))
    drawn = _weights(len(number), seed)
    positives, negatives = counts(drawn, labels), counts(drawn, ~labels)
    both = (positives.sum(1) > 0) & (negatives.sum(1) > 0)
    resampled = measure(positives[both], negatives[both])
    found = {}
    for name, point, values in zip(("AUROC", "AUPRC"), points, resampled, strict=True):
        low, high = np.percentile(values, [2.5, 97.5])
        found[name] = float(point[0]), float(low), float(high)
    return found


def _weights(clusters: int, seed: int) -> npt.NDArray[np.int64]:
    drawn: npt.NDArray[np.int64] = np.random.default_rng(seed).multinomial(
        clusters, np.full(clusters, 1 / clusters), size=RESAMPLES
    )
    return drawn
