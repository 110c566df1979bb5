"""How good the outputs of a head are: by class, by label, or by number."""

import statistics
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from configs.heads import MEASURES
from evaluation.labelled.targets import IGNORED

Values = npt.NDArray[np.float64]


def probabilities(kind: str, logits: npt.NDArray[Any]) -> Values:
    """Of classes, which sum to one, or of each label; numbers stay as they are. Shape [..., labels]."""
    wide = np.asarray(logits, dtype=np.float64)
    if kind in ("classify", "tokens"):
        exponentials = np.exp(wide - wide.max(axis=-1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))
    if kind == "multilabel":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * wide)))
    return wide


def measure(kind: str, outputs: npt.NDArray[Any], truth: npt.NDArray[Any]) -> dict[str, float]:
    """The measures of a kind of head; one that is undefined, for want of a second class or value, is left out.

    `outputs`: probabilities, or numbers, [samples, labels], of bases [bases, labels]; `truth`: classes [samples], or
    [samples, labels]. F1, AUROC and AUPRC are means over the classes, of two classes those of the second; those of
    several labels, and of several numbers, are means over the labels.
    """
    if kind in ("classify", "tokens"):
        known = np.asarray(truth) != IGNORED
        return _classes(outputs[known], np.asarray(truth)[known].astype(np.int64))
    columns = np.reshape(truth, (-1, outputs.shape[-1]))
    each = [
        _label(outputs[:, column], columns[:, column]) if kind == "multilabel" else
        _numbers(outputs[:, column], columns[:, column])
        for column in range(outputs.shape[-1])
    ]  # fmt: skip
    names = [name for name in MEASURES[kind] if any(name in one for one in each)]
    return {name: statistics.fmean(one[name] for one in each if name in one) for name in names}


def _classes(chances: npt.NDArray[Any], truth: npt.NDArray[np.int64]) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, f1_score, matthews_corrcoef, roc_auc_score

    if not len(truth):
        return {}
    predicted, two = chances.argmax(axis=1), chances.shape[1] == 2
    f1 = f1_score(truth, predicted, average="binary" if two else "macro", zero_division=0.0)
    found = {
        "accuracy": float((predicted == truth).mean()),
        "f1": float(f1),
        "mcc": float(matthews_corrcoef(truth, predicted)),
    }
    there = [one for one in ([1] if two else np.unique(truth)) if 0 < (truth == one).sum() < len(truth)]
    if there:
        found["auroc"] = statistics.fmean(float(roc_auc_score(truth == one, chances[:, one])) for one in there)
        found["auprc"] = statistics.fmean(
            float(average_precision_score(truth == one, chances[:, one])) for one in there
        )
    return found


def _label(chances: npt.NDArray[Any], truth: npt.NDArray[Any]) -> dict[str, float]:
    return _classes(np.stack([1 - chances, chances], axis=1), (np.asarray(truth) > 0).astype(np.int64))


def _numbers(values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> dict[str, float]:
    from scipy.stats import pearsonr, spearmanr

    known = np.isfinite(np.asarray(truth, dtype=np.float64))
    values, truth = values[known], np.asarray(truth, dtype=np.float64)[known]
    if len(np.unique(truth)) < 2 or len(np.unique(values)) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nearly constant values
        found = {"spearman": spearmanr(values, truth).statistic, "pearson": pearsonr(values, truth).statistic}
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}
