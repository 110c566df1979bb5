"""What needs no model to predict a label of each base: the mean or the commonest one, of all and of the same k-mer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.baselines.labels import KMER, MOST_SEQUENCES, LabelBaseline, codes_of, label_baselines
from evaluation.labelled.examples import Example, stacked
from evaluation.labelled.measures import measure
from evaluation.labelled.targets import IGNORED
from tokenizer.sequence import Ids

Values = npt.NDArray[np.float64]


def example_baselines(
    kind: str, train: Sequence[Example], test: Sequence[Example], *, classes: int
) -> list[LabelBaseline]:
    """The baselines of a kind of head, fitted on `train`, measured on `test`."""
    sequences, tested = [one.ids for one in train], [one.ids for one in test]
    if kind not in ("tokens", "track"):
        return label_baselines(kind, sequences, stacked(train), tested, stacked(test), classes=classes)
    truths, tested_truths = [one.target for one in train], [one.target for one in test]
    return base_baselines(kind, sequences, truths, tested, tested_truths, classes=classes)


def base_baselines(
    kind: str,
    train: Sequence[Ids],
    train_truth: Sequence[npt.NDArray[Any]],
    test: Sequence[Ids],
    test_truth: Sequence[npt.NDArray[Any]],
    *,
    classes: int,
    k: int = KMER,
) -> list[LabelBaseline]:
    """The mean label, or the share of each class, over all bases (`majority`), and over those with the same `k` bases
    around them; fitted on `train`, measured on `test`. One truth per base; bases without one are left out.
    """
    train, train_truth = train[:MOST_SEQUENCES], train_truth[:MOST_SEQUENCES]
    words, labels = _labelled(train, train_truth, kind, classes, k)
    tested, _ = _labelled(test, test_truth, kind, classes, k)
    truth = np.concatenate(test_truth)
    truth = truth[_known(truth)]
    mean = labels.mean(axis=0)
    counts = np.bincount(words, minlength=4**k + 1)
    sums = np.stack([np.bincount(words, column, minlength=4**k + 1) for column in labels.T], axis=1)
    of_word = (sums + mean) / (counts[:, None] + 1)  # one base more, of the mean: words that are rare say little
    outputs = {"majority": np.broadcast_to(mean, (len(tested), len(mean))), f"{k}-mers": of_word[tested]}
    return [LabelBaseline(name=name, measures=measure(kind, one, truth)) for name, one in outputs.items()]


def _labelled(
    sequences: Sequence[Ids], truths: Sequence[npt.NDArray[Any]], kind: str, classes: int, k: int
) -> tuple[npt.NDArray[np.int64], Values]:
    """The word around each labelled base, and its label: [bases, 1], or one-hot [bases, classes]."""
    truth = np.concatenate(truths)
    known = _known(truth)
    words = np.concatenate([_words(ids, k) for ids in sequences])[known]
    labels = np.eye(classes)[truth[known]] if kind == "tokens" else truth[known, None].astype(np.float64)
    return words, labels


def _known(truth: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.asarray(truth != IGNORED if truth.dtype.kind == "i" else np.isfinite(truth))


def _words(ids: Ids, k: int) -> npt.NDArray[np.int64]:
    """The number of the word of each base, with k // 2 bases before it; 4**k where there is none."""
    words = np.full(len(ids), 4**k, dtype=np.int64)
    if len(ids) >= k:
        words[k // 2 : len(ids) - k + 1 + k // 2] = codes_of(ids, k)
    return words
