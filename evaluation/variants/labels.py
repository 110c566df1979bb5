"""How well effects tell labelled variants apart: AUROC and average precision with bootstrap intervals, by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.variants.alleles import SCORED, Allele
from evaluation.variants.effects import Effect
from foundation.errors import InputError

RESAMPLES = 1000
_AT_ONCE = 100  # resamples: bounds the memory
ALL = "all"

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """INFO keys and values: `key` in `positive` is what low scores should find; other values are negative.

    `negative` restricts those, where given; a record without the key is left out. `by` is the key of the classes.
    """

    key: str
    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    by: str | None = None


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


def check_labels(alleles: Sequence[Allele], labelling: Labelling) -> None:
    """Before any work. Errors: `InputError` where no allele that will be scored, or only one kind, is labelled."""
    labels = [_label(allele, labelling) for allele in alleles if allele.status == SCORED]
    known = [label for label in labels if label is not None]
    if all(known) or not any(known):
        problem = f"{sum(known)} of {len(known)} labelled variants are positive, both kinds are needed"
        fix = f"Positive is {', '.join(labelling.positive)}; see --label, --positive and --negative."
        raise InputError(problem, where=f"INFO key {labelling.key}", fix=fix)


def discriminate(
    alleles: Sequence[Allele], effects: Sequence[Effect | None], labelling: Labelling, *, seed: int = 0
) -> tuple[Discrimination, ...]:
    """All labelled and scored alleles, then each class. The score is minus delta, the model's surprise."""
    rows = [
        (label, -effect.delta, _class(allele, labelling))
        for allele, effect in zip(alleles, effects, strict=True)
        if effect is not None and (label := _label(allele, labelling)) is not None
    ]
    labels = np.array([label for label, _, _ in rows], dtype=bool)
    scores, classes = np.array([score for _, score, _ in rows]), np.array([name for _, _, name in rows])
    parts = [(ALL, np.ones(len(rows), dtype=bool))]
    parts += [(str(name), classes == name) for name in np.unique(classes)] if labelling.by else []
    return tuple(_discrimination(name, labels[part], scores[part], seed) for name, part in parts)


def _label(allele: Allele, labelling: Labelling) -> bool | None:
    value = allele.info(labelling.key)
    if value is None or value == ".":
        return None
    if value in labelling.positive:
        return True
    return None if labelling.negative and value not in labelling.negative else False


def _class(allele: Allele, labelling: Labelling) -> str:
    return (labelling.by and allele.info(labelling.by)) or "none"


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
    points = measure(counts[0][None], counts[1][None])
    resampled = [
        measure(*(random.multinomial(count.sum(), count / count.sum(), size=_AT_ONCE) for count in counts))
        for _ in range(RESAMPLES // _AT_ONCE)
    ]
    aurocs, auprcs = (
        Interval(value=float(point[0]), low=float(np.percentile(values, 2.5)), high=float(np.percentile(values, 97.5)))
        for point, values in zip(points, (np.concatenate(parts) for parts in zip(*resampled, strict=True)), strict=True)
    )
    return aurocs, auprcs


def measure(positives: npt.NDArray[np.int64], negatives: npt.NDArray[np.int64]) -> tuple[Values, Values]:
    """AUROC and average precision, [R]; how many of each kind have each score, highest first, [R, scores]."""
    found, false = positives.cumsum(axis=1), negatives.cumsum(axis=1)
    total, others = found[:, -1], false[:, -1]
    beaten = others[:, None] - false + negatives / 2  # ties count half
    auroc = (positives * beaten).sum(axis=1) / (total * others)
    precision = found / np.maximum(found + false, 1)
    auprc = (positives * precision).sum(axis=1) / total
    return auroc, auprc
