"""How well effects tell labelled variants apart: AUROC and average precision with bootstrap intervals, by class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.statistics.ranking import Values, areas
from evaluation.variants.alleles import Allele
from evaluation.variants.effects import Effect
from evaluation.variants.labels import Labelling, class_of, label_of

RESAMPLES = 1000
_AT_ONCE = 100  # resamples: bounds the memory
ALL, NO_CLASS = "all", "none"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and its 95% interval, percentiles of the bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Discrimination:
    """One class of variants. Measures are None where only one kind of label is there."""

    name: str
    positives: int
    negatives: int
    auroc: Interval | None
    auprc: Interval | None


def discriminate(
    alleles: Sequence[Allele],
    effects: Sequence[Effect | None],
    labelling: Labelling,
    vcf: Path,
    *,
    seed: int = 0,
) -> tuple[Discrimination, ...]:
    """All labelled and scored alleles, then each class. The score is minus delta, the model's surprise."""
    rows = [
        (label, -effect.delta, class_of(allele, labelling, vcf) or NO_CLASS)
        for allele, effect in zip(alleles, effects, strict=True)
        if effect is not None and (label := label_of(allele, labelling, vcf)) is not None
    ]
    labels = np.array([label for label, _, _ in rows], dtype=bool)
    scores, classes = np.array([score for _, score, _ in rows]), np.array([name for _, _, name in rows])
    parts = [(ALL, np.ones(len(rows), dtype=bool))]
    parts += [(str(name), classes == name) for name in np.unique(classes)] if labelling.by else []
    return tuple(_discrimination(name, labels[part], scores[part], seed) for name, part in parts)


def _discrimination(name: str, labels: npt.NDArray[np.bool_], scores: Values, seed: int) -> Discrimination:
    positives = int(labels.sum())
    both = 0 < positives < len(labels)
    auroc, auprc = _bootstrap(labels, scores, seed) if both else (None, None)
    return Discrimination(
        name=name, positives=positives, negatives=len(labels) - positives, auroc=auroc, auprc=auprc
    )  # fmt: skip


def _bootstrap(labels: npt.NDArray[np.bool_], scores: Values, seed: int) -> tuple[Interval, Interval]:
    """Resampled within positives and within negatives, so that every resample has both: as weights of the scores."""
    thresholds, place = np.unique(-scores, return_inverse=True)  # the highest score first
    counts = [np.bincount(place[kind], minlength=len(thresholds)) for kind in (labels, ~labels)]
    random = np.random.default_rng(seed)
    points = areas(counts[0][None], counts[1][None])
    resampled = [
        areas(*(random.multinomial(count.sum(), count / count.sum(), size=_AT_ONCE) for count in counts))
        for _ in range(RESAMPLES // _AT_ONCE)
    ]
    aurocs, auprcs = (
        Interval(value=float(point[0]), low=float(np.percentile(values, 2.5)), high=float(np.percentile(values, 97.5)))
        for point, values in zip(points, (np.concatenate(parts) for parts in zip(*resampled, strict=True)), strict=True)
    )
    return aurocs, auprcs
