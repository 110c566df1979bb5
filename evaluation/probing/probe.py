"""Heads fitted on features of sequences and measured on the test set: MCC and AUROC over seeds."""

import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.baselines.labels import Features, count_words
from evaluation.embedding.embedding import embed_regions
from evaluation.likelihood.likelihood import Reading
from evaluation.likelihood.regions import Region
from evaluation.probing.datasets import Task
from foundation.progress import progress_bar
from tokenizer.sequence import Ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HEADS = ("linear", "mlp")
KMERS = (3, 5)  # lengths whose counts are the baselines
FOLDS = 5
EARLY_STOPPING = 100  # training sequences from which on a tenth of them tells when an MLP has learnt enough
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # inverse of the L2 penalty, chosen by cross-validation


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A head on features, over seeds: means and standard deviations. `validation_mcc` is of the cross-validation."""

    task: str
    features: str
    head: str
    seeds: int
    mcc: float
    mcc_sd: float
    auroc: float
    auroc_sd: float
    validation_mcc: float


def probe_task(
    model: "PreTrainedModel",
    task: Task,
    reading: Reading,
    *,
    heads: Sequence[str],
    layer: int,
    pooling: str,
    seeds: int,
) -> list[Measured]:
    """Each head on the model's embeddings, and as baseline a linear head on k-mer counts."""
    labels = [np.array([label for _, label in part]) for part in (task.train, task.test)]
    embedded = [_embed(model, part, reading, layer, pooling, task.name) for part in (task.train, task.test)]
    plans = [(f"layer {layer}, {pooling}", head, embedded) for head in heads]
    for k in KMERS:
        plans.append((f"{k}-mers", "linear", [count_words([ids for ids, _ in p], k) for p in (task.train, task.test)]))
    results = []
    with progress_bar(f"Fitting {task.name}", total=len(plans) * seeds, unit=" fits") as advance:
        for name, head, (train, test) in plans:
            runs = []
            for seed in range(seeds):
                runs.append(_fit(head, train, labels[0], test, labels[1], seed))
                advance(1)
            mcc, auroc, validation = zip(*runs, strict=True)
            results.append(
                Measured(
                    task=task.name,
                    features=name,
                    head=head,
                    seeds=seeds,
                    mcc=statistics.fmean(mcc),
                    mcc_sd=statistics.pstdev(mcc),
                    auroc=statistics.fmean(auroc),
                    auroc_sd=statistics.pstdev(auroc),
                    validation_mcc=statistics.fmean(validation),
                )
            )
    return results


def _embed(
    model: "PreTrainedModel", part: Sequence[tuple[Ids, int]], reading: Reading, layer: int, pooling: str, name: str
) -> Features:
    regions = (Region(name=str(number), ids=ids) for number, (ids, _) in enumerate(part))
    with progress_bar(f"Embedding {name}", total=len(part), unit=" sequences") as advance:
        rows = []
        for one in embed_regions(model, regions, reading, layer=layer, pooling=pooling):
            rows.append(one.values)
            advance(1)
    return np.stack(rows)


def _fit(head: str, train: Features, labels: Any, test: Features, truth: Any, seed: int) -> tuple[float, float, float]:
    """MCC and AUROC on the test set, and the MCC of the cross-validation that chose the settings."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import matthews_corrcoef
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    least = int(np.bincount(labels).min())
    # The tenth is drawn by class, so it needs some of each in every fold.
    estimator, grid = _head(head, seed, early_stopping=len(labels) >= EARLY_STOPPING and least >= FOLDS)
    search = GridSearchCV(
        estimator, grid, scoring="matthews_corrcoef", error_score="raise",
        cv=StratifiedKFold(min(FOLDS, least), shuffle=True, random_state=seed),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # without early stopping, all iterations are run
        search.fit(train, labels)
    mcc = float(matthews_corrcoef(truth, search.predict(test)))
    return mcc, _auroc(truth, search.predict_proba(test)), float(search.best_score_)


def _auroc(truth: Any, chances: Any) -> float:
    """Of two classes, or the mean over the classes that the test has, each against the rest."""
    from sklearn.metrics import roc_auc_score

    classes = [1] if chances.shape[1] == 2 else np.unique(truth)
    return statistics.fmean(float(roc_auc_score(truth == one, chances[:, one])) for one in classes)


def _head(head: str, seed: int, *, early_stopping: bool) -> tuple[Any, dict[str, list[Any]]]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if head == "linear":
        classifier = LogisticRegression(max_iter=2000, random_state=seed)
        return make_pipeline(StandardScaler(), classifier), {"logisticregression__C": list(STRENGTHS)}
    classifier = MLPClassifier((128,), early_stopping=early_stopping, max_iter=200, random_state=seed)
    return make_pipeline(StandardScaler(), classifier), {"mlpclassifier__alpha": [1e-4, 1e-2]}
