"""Two models on the same items of a task: the difference, its interval, and whether it may be chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.statistics.bootstrap import Units, difference
from evaluation.statistics.delong import compare_aurocs
from evaluation.statistics.ranking import Counts, Ranked, Values

Items = Mapping[str, Sequence[Any]]
_SAME = ("contig", "position", "ref", "alt", "label", "record", "bases", "cluster")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The first model's value less the second's."""

    metric: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    test: str


def compare_items(first: Items, second: Items) -> Compared | None:
    """The difference of AUROC, or of nats per base; None where the items are others, or have neither.

    AUROCs of single variants are compared by DeLong's test, those of clusters by the paired bootstrap.
    """
    if any(list(first.get(name, ())) != list(second.get(name, ())) for name in _SAME):
        return None
    if {"label", "score", "cluster"} <= set(first):
        return _aurocs(first, second)
    return _nats(first, second) if {"nats", "bases"} <= set(first) else None


def _aurocs(first: Items, second: Items) -> Compared | None:
    labels = np.array(first["label"], bool)
    clusters: Counts = np.array(first["cluster"], np.int64)
    if not 0 < labels.sum() < len(labels):
        return None
    scores: list[Values] = [np.array(one["score"], np.float64) for one in (first, second)]
    few = min(labels.sum(), (~labels).sum()) < 2  # of one item there is no variance
    single = not few and len(np.unique(clusters)) == len(clusters)
    ranked = [Ranked(labels=labels, scores=one) for one in scores]
    units = Units(count=len(labels), clusters=None if single or few else clusters, labels=labels)
    found = difference(ranked[0].auroc, ranked[1].auroc, units)
    p = compare_aurocs(labels, *scores).p if single else found.p
    test = "DeLong" if single else "paired bootstrap"
    return Compared(metric="AUROC", value=found.value, low=found.low, high=found.high, p=p, test=test)


def _nats(first: Items, second: Items) -> Compared:
    bases: Counts = np.array(first["bases"], np.int64)
    known = bases > 0
    nats: list[Values] = [np.array(one["nats"], np.float64)[known] for one in (first, second)]
    bases = bases[known]

    def per_base(one: Values, weights: Counts) -> Values:
        means: Values = (weights @ one) / np.maximum(weights @ bases, 1)
        return means

    found = difference(lambda w: per_base(nats[0], w), lambda w: per_base(nats[1], w), Units(count=len(bases)))
    return Compared(metric="nats per base", value=found.value, low=found.low, high=found.high, p=found.p,
                    test="paired bootstrap")  # fmt: skip
