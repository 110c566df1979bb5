"""Means and areas with intervals over clusters, such as the genes that items are of."""

from collections.abc import Hashable, Sequence

import numpy as np

from evaluation.statistics.bootstrap import Estimate, Units, estimate
from evaluation.statistics.ranking import Counts, Flags, Ranked, Values


def mean_estimate(sums: Values, counts: Values) -> Estimate:
    """All sums over all counts, [clusters] each."""

    def mean(weights: Counts) -> Values:
        found: Values = (weights @ sums) / np.maximum(weights @ counts, 1e-12)
        return found

    return estimate(mean, Units(count=len(sums)))


def area_estimates(scores: Values, labels: Flags, clusters: Sequence[Hashable]) -> dict[str, Estimate]:
    """AUROC and AUPRC of scores that are high for what is labelled."""
    number = {name: index for index, name in enumerate(dict.fromkeys(clusters))}
    units = Units(count=len(labels), clusters=np.array([number[name] for name in clusters]))
    ranked = Ranked(labels=labels, scores=scores)
    return {"AUROC": estimate(ranked.auroc, units), "AUPRC": estimate(ranked.auprc, units)}
