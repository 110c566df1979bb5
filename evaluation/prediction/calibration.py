"""Probabilities that mean what they say: a temperature for classes, a slope and a shift for each label.

Fitted on validation sequences, which the weights were not: by temperature scaling (Guo et al. 2017), or Platt's method
(Platt 1999). Both have Platt's targets, which are never quite 0 or 1: where every sequence is right, the probabilities
stay below 1.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.labelled.targets import IGNORED

Floats = npt.NDArray[np.float64]
_LIMITS = (0.01, 100.0)


def fit_calibration(kind: str, logits: npt.NDArray[Any], truth: npt.NDArray[Any]) -> dict[str, list[float]] | None:
    """`scale` and `shift` of each label, for logit * scale + shift; None for numbers, and where a class is missing."""
    wide = np.asarray(logits, dtype=np.float64)
    if kind in ("classify", "tokens"):
        known = np.asarray(truth) != IGNORED
        labels = np.asarray(truth)[known].astype(np.int64)
        if len(np.unique(labels)) < 2:
            return None
        count = wide.shape[-1]
        return {"scale": [_inverse_temperature(wide[known], labels)] * count, "shift": [0.0] * count}
    if kind != "multilabel":
        return None
    fitted = [_platt(wide[:, column], np.asarray(truth)[:, column] > 0) for column in range(wide.shape[1])]
    return {"scale": [scale for scale, _ in fitted], "shift": [shift for _, shift in fitted]}


def _inverse_temperature(logits: Floats, labels: npt.NDArray[np.int64]) -> float:
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    count, classes = logits.shape
    targets = np.full(logits.shape, 1 / (count + 2) / max(1, classes - 1))
    targets[np.arange(count), labels] = (count + 1) / (count + 2)

    def loss(log_scale: float) -> float:
        return -float((log_softmax(logits * np.exp(log_scale), axis=1) * targets).sum(axis=1).mean())

    low, high = np.log(_LIMITS)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def _platt(logits: Floats, truth: npt.NDArray[np.bool_]) -> tuple[float, float]:
    from scipy.optimize import minimize

    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        return 1.0, 0.0
    targets = np.where(truth, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(values: Floats) -> float:
        z = logits * values[0] + values[1]
        return float((np.logaddexp(0, z) - targets * z).mean())

    scale, shift = minimize(loss, np.array([1.0, 0.0]), bounds=[_LIMITS, (-100, 100)]).x
    return float(scale), float(shift)
