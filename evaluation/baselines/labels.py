"""Baselines for labels: the most common one, and a linear model on k-mer counts."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.labelled.measures import measure
from tokenizer.sequence import Ids, reverse_complement, to_upper

Features = npt.NDArray[np.float32]

KMER = 6
MOST_SEQUENCES = 20_000
"""Of a large training set, the first so many are fitted: a minute."""


@dataclass(frozen=True, kw_only=True)
class LabelBaseline:
    """One baseline and its measures."""

    name: str
    measures: dict[str, float]


def label_baselines(
    kind: str,
    train: Sequence[Ids],
    train_truth: npt.NDArray[Any],
    test: Sequence[Ids],
    test_truth: npt.NDArray[Any],
    *,
    classes: int,
    k: int = KMER,
) -> list[LabelBaseline]:
    """The majority, or the mean, and a linear model on k-mers; fitted on `train`, measured on `test`."""
    train, train_truth = train[:MOST_SEQUENCES], train_truth[:MOST_SEQUENCES]
    if kind == "classify":
        shares = np.bincount(train_truth, minlength=classes) / len(train_truth)
    else:
        shares = np.mean(train_truth, axis=0)
    constant = np.broadcast_to(shares, (len(test), len(shares)))
    found = [LabelBaseline(name="majority", measures=measure(kind, constant, test_truth))]
    features = [count_words(sequences, k) for sequences in (train, test)]
    outputs = _linear(kind, features[0], train_truth, features[1], classes)
    return [*found, LabelBaseline(name=f"{k}-mers", measures=measure(kind, outputs, test_truth))]


def count_words(sequences: Sequence[Ids], k: int) -> Features:
    """Share of each k-mer and its reverse complement, both strands together, [sequences, 4**k]; others are left out."""
    rows = np.zeros((len(sequences), 4**k), dtype=np.float32)
    for row, ids in enumerate(sequences):
        for strand in (ids, reverse_complement(ids)):
            rows[row] += np.bincount(codes_of(strand, k), minlength=4**k + 1)[:-1]
        rows[row] /= max(1.0, float(rows[row].sum()))
    return rows


def codes_of(ids: Ids, k: int) -> npt.NDArray[np.int64]:
    """The number of each k-mer, [bases - k + 1]; 4**k for one with a letter beside A, C, G and T."""
    codes = np.full(256, 4**k, dtype=np.int64)
    codes[list(b"ACGT")] = range(4)
    digits = codes[to_upper(ids)]
    count = max(0, len(digits) - k + 1)
    words = sum(digits[i : count + i] * 4 ** (k - 1 - i) for i in range(k))
    return np.minimum(np.asarray(words, dtype=np.int64), 4**k)


def _linear(
    kind: str, train: Features, truth: npt.NDArray[Any], test: Features, classes: int
) -> npt.NDArray[np.float64]:
    """Outputs [test, labels] of logistic or ridge regression on standardised features."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if kind == "regress":
            return np.reshape(Ridge(alpha=len(train)).fit(train, truth).predict(test), (len(test), -1))
        if kind == "multilabel":
            columns = [
                LogisticRegression(C=0.01, max_iter=500).fit(train, truth[:, column] > 0).predict_proba(test)[:, 1]
                for column in range(truth.shape[1])
            ]
            return np.stack(columns, axis=1)
        model = LogisticRegression(C=0.01, max_iter=500).fit(train, truth)
    outputs = np.zeros((len(test), classes))
    outputs[:, model.classes_] = model.predict_proba(test)
    return outputs
