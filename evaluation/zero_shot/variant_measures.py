"""How well the scores of labelled variants tell them apart: every statistic, of all variants and of each class."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.statistics.bootstrap import Estimate, Statistic, Units, estimate
from evaluation.statistics.matched import PerGroup, auprc_by_group, pairwise_accuracy
from evaluation.statistics.ranking import Correlated, Counts, Flags, Ranked, Values
from evaluation.zero_shot.result import Measure
from evaluation.zero_shot.variant_tables import Variant

AUROC, AUPRC, BY_CHROMOSOME, PAIRWISE, SPEARMAN = (
    "AUROC", "AUPRC", "AUPRC by chromosome", "pairwise accuracy", "Spearman",
)  # fmt: skip
STATISTICS = (AUROC, AUPRC, BY_CHROMOSOME, PAIRWISE, SPEARMAN)
LEAST = 10
"""Items of each label that a class needs to be reported."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Scored variants as columns. `clusters`: what is resampled, None for single variants."""

    variants: tuple[Variant, ...]
    deltas: Values
    scores: Values
    clusters: Counts | None

    @classmethod
    def of(cls, variants: Sequence[Variant], deltas: Values, *, score: str, cluster: str) -> "Table":
        """The columns of `variants`; `score` and `cluster` as a protocol says them."""
        scores, clusters = -deltas if score == "decrease" else np.abs(deltas), _clusters(variants, cluster)
        return cls(variants=tuple(variants), deltas=deltas, scores=scores, clusters=clusters)

    def part(self, rows: Counts) -> "Table":
        """Some of the rows."""
        clusters = None if self.clusters is None else self.clusters[rows]
        return Table(variants=tuple(self.variants[row] for row in rows), deltas=self.deltas[rows],
                     scores=self.scores[rows], clusters=clusters)  # fmt: skip

    @property
    def labels(self) -> Flags:
        """True for positives."""
        return np.array([one.label for one in self.variants], bool)

    @property
    def values(self) -> Values:
        """Measured effects, NaN where there is none."""
        return np.array([np.nan if one.value is None else one.value for one in self.variants])

    def numbered(self, name: str) -> Counts:
        """The attribute `name` of each variant, as a number."""
        return _numbered([getattr(one, name) for one in self.variants])

    @property
    def units(self) -> Units:
        """What is resampled."""
        return Units(count=len(self.variants), clusters=self.clusters, labels=self.labels)

    def columns(self) -> dict[str, list[Any]]:
        """For the table of items."""
        names = ("contig", "position", "ref", "alt", "label", "value", "group", "gene")
        found: dict[str, list[Any]] = {name: [getattr(one, name) for one in self.variants] for name in names}
        clusters = list(range(len(self.variants))) if self.clusters is None else self.clusters.tolist()
        return found | {"classes": ["|".join(one.classes) for one in self.variants], "cluster": clusters,
                        "delta": self.deltas.tolist(), "score": self.scores.tolist()}  # fmt: skip


def _clusters(variants: Sequence[Variant], by: str) -> Counts | None:
    """None also where all are of one gene or chromosome, which says nothing about others."""
    if by == "variant":
        return None
    attribute = {"gene": "gene", "chromosome": "contig", "group": "group"}[by]
    found = _numbered([getattr(one, attribute) or f"{one.contig}:{one.position}" for one in variants])
    return found if len(set(found.tolist())) > 1 else None


def _numbered(names: Sequence[str]) -> Counts:
    numbers: Counts = np.unique(np.array(names, dtype=str), return_inverse=True)[1].astype(np.int64)
    return numbers


def measure(table: Table, statistics: Sequence[str]) -> Iterator[Measure]:
    """The statistics of all, which have both labels, then of each class with enough of both."""
    labels = table.labels
    yield from (one for name in statistics if (one := _statistic(name, table, "")))
    counts = Counter(name for one in table.variants for name in one.classes)
    for part in sorted(counts):
        rows = np.array([part in one.classes for one in table.variants]).nonzero()[0]
        positives = int(labels[rows].sum())
        if min(positives, len(rows) - positives) >= LEAST:
            some = table.part(rows)
            yield from (one for name in statistics if (one := _statistic(name, some, part)))


def _statistic(name: str, table: Table, part: str) -> Measure | None:
    if name == SPEARMAN:
        return _spearman(table, part)
    if name in (BY_CHROMOSOME, PAIRWISE):
        return _grouped(name, table, part)
    ranked = Ranked(labels=table.labels, scores=table.scores)
    found = estimate(ranked.auroc if name == AUROC else ranked.auprc, table.units)
    chance = 0.5 if name == AUROC else float(table.labels.mean())
    return _row(name, part, table, found, chance=chance, clusters=_count(table.clusters))


def _grouped(name: str, table: Table, part: str) -> Measure | None:
    """A mean over match groups, all alike, or over chromosomes by size; these are resampled too."""
    pairs = name == PAIRWISE
    of = pairwise_accuracy if pairs else auprc_by_group
    groups: PerGroup = of(table.labels, table.scores, table.numbered("group" if pairs else "contig"))
    if not len(groups.values):
        return None
    mean: Statistic = groups.mean if pairs else groups.weighted_mean
    found = estimate(mean, Units(count=len(groups.values)))
    error = groups.error if pairs else found.error
    found = Estimate(value=found.value, low=found.low, high=found.high, error=error)
    chance = 0.5 if pairs else float(table.labels.mean())
    return _row(name, part, table, found, chance=chance, clusters=len(groups.values))


def _spearman(table: Table, part: str) -> Measure | None:
    """Of the change of log-likelihood with the measured value, where there is one."""
    known = np.flatnonzero(np.isfinite(table.values))
    if len(known) < LEAST:
        return None
    some = table.part(known)
    correlated = Correlated(measured=some.values, scores=some.deltas)
    units = Units(count=len(known), clusters=some.clusters)
    found = estimate(correlated.spearman, units)
    return (
        _row(SPEARMAN, part, some, found, chance=0.0, clusters=_count(some.clusters))
        if np.isfinite(found.value)
        else None
    )


def _row(name: str, part: str, table: Table, found: Estimate, *, chance: float, clusters: int | None) -> Measure:
    return Measure(
        metric=name, part=part, value=found.value, low=found.low, high=found.high, error=found.error,
        count=len(table.variants), positives=int(table.labels.sum()), clusters=clusters, chance=chance,
    )  # fmt: skip


def _count(clusters: Counts | None) -> int | None:
    return None if clusters is None else len(np.unique(clusters))
