"""Every statistic against scikit-learn, SciPy, or the published formula written out, on random inputs with ties."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.statistics.bootstrap import RESAMPLES, Units, difference, estimate
from evaluation.statistics.delong import auroc_covariance, compare_aurocs
from evaluation.statistics.matched import auprc_by_group, pairwise_accuracy
from evaluation.statistics.ranking import Correlated, Ranked

SEEDS = range(8)


def _items(seed: int, count: int = 120) -> tuple[Any, Any, Any]:
    """Labels, scores with ties, and a second model's scores."""
    random = np.random.default_rng(seed)
    labels = random.random(count) < random.uniform(0.1, 0.6)
    labels[:2] = True, False
    scores = np.round(random.normal(size=count) + labels, random.integers(0, 3))
    return labels, scores, np.round(scores / 2 + random.normal(size=count), 1)


def _ones(count: int) -> Any:
    return np.ones((1, count), np.int64)


@pytest.mark.parametrize("seed", SEEDS)
def test_areas_are_those_of_scikit_learn(seed: int) -> None:
    labels, scores, _ = _items(seed)
    auroc, auprc = Ranked(labels=labels, scores=scores).areas(_ones(len(labels)))
    assert auroc[0] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert auprc[0] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_weight_is_an_item_that_comes_again(seed: int) -> None:
    labels, scores, measured = _items(seed)
    weights = np.random.default_rng(seed).integers(0, 4, size=(3, len(labels)))
    ranked, correlated = Ranked(labels=labels, scores=scores), Correlated(measured=measured, scores=scores)
    for row, auroc, auprc, rho in zip(weights, *ranked.areas(weights), correlated.spearman(weights), strict=True):
        again = np.repeat(np.arange(len(labels)), row)
        assert auroc == pytest.approx(roc_auc_score(labels[again], scores[again]), abs=1e-12)
        assert auprc == pytest.approx(average_precision_score(labels[again], scores[again]), abs=1e-12)
        assert rho == pytest.approx(stats.spearmanr(measured[again], scores[again]).statistic, abs=1e-12)


def test_what_cannot_be_said_is_nan() -> None:
    one_kind = Ranked(labels=np.ones(3, bool), scores=np.arange(3.0))
    assert np.isnan(one_kind.areas(_ones(3))).all()
    flat = Correlated(measured=np.zeros(3), scores=np.arange(3.0))
    assert np.isnan(flat.spearman(_ones(3))).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_delong_is_the_formula_of_1988(seed: int) -> None:
    labels, *scores = _items(seed)
    aurocs, covariance = auroc_covariance(labels, np.stack(scores))
    expected, components = [], []
    for one in scores:
        x, y = one[labels], one[~labels]
        wins = [[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x]
        expected.append(np.mean(wins))
        components.append((np.mean(wins, axis=1), np.mean(wins, axis=0)))
    for i in range(2):
        assert aurocs[i] == pytest.approx(expected[i], abs=1e-12)
        for j in range(2):
            by_hand = 0.0
            for side in (0, 1):
                a, b = components[i][side], components[j][side]
                by_hand += sum((p - expected[i]) * (q - expected[j]) for p, q in zip(a, b, strict=True)) / (
                    (len(a) - 1) * len(a)
                )
            assert covariance[i, j] == pytest.approx(by_hand, abs=1e-12)
    found = compare_aurocs(labels, *scores)
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert found.value == pytest.approx(expected[0] - expected[1], abs=1e-12)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.value) / error), abs=1e-9)


def test_equal_models_do_not_differ() -> None:
    labels, scores, _ = _items(1)
    assert compare_aurocs(labels, scores, scores).p == 1.0
    ranked = Ranked(labels=labels, scores=scores)
    same = difference(ranked.auroc, ranked.auroc, Units(count=len(labels), labels=labels))
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_by_chromosome_is_the_weighted_mean_of_the_publisher() -> None:
    labels, scores, _ = _items(3)
    chromosomes = np.random.default_rng(3).integers(0, 6, len(labels))
    per_chromosome = auprc_by_group(labels, scores, chromosomes)
    total, weight = 0.0, 0
    for one in np.unique(chromosomes):
        rows = chromosomes == one
        if 0 < labels[rows].sum() < rows.sum():
            total += rows.sum() * average_precision_score(labels[rows], scores[rows])
            weight += rows.sum()
    found = per_chromosome.weighted_mean(_ones(len(per_chromosome.values)))
    assert found[0] == pytest.approx(total / weight, abs=1e-12)


def test_pairwise_accuracy_by_hand() -> None:
    """Group 0: beats both of two; group 1: beats one, ties with one; group 2 has no control."""
    labels = np.array([True, False, False, True, False, False, True])
    scores = np.array([3.0, 1.0, 2.0, 0.5, 0.5, 0.1, 9.0])
    groups = np.array([0, 0, 0, 1, 1, 1, 2])
    found = pairwise_accuracy(labels, scores, groups)
    assert found.values.tolist() == [1.0, 0.75]
    assert found.error == pytest.approx(np.std([1.0, 0.75], ddof=1) / math.sqrt(2), abs=1e-12)


def test_clusters_are_drawn_whole() -> None:
    clusters = np.array([7, 7, 2, 2, 2, 5])
    drawn = np.concatenate(list(Units(count=6, clusters=clusters).weights()))
    assert drawn.shape == (RESAMPLES, 6)
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 2] == drawn[:, 3]).all()
    assert (drawn[:, [0, 2, 5]].sum(axis=1) == 3).all()


def test_items_are_drawn_within_their_class() -> None:
    labels = np.array([True, False, False, True, False])
    drawn = np.concatenate(list(Units(count=5, labels=labels).weights()))
    assert (drawn[:, labels].sum(axis=1) == 2).all()
    assert (drawn[:, ~labels].sum(axis=1) == 3).all()


def test_items_that_hang_together_have_wider_intervals() -> None:
    """Twenty genes of fifteen identical items: only genes tell the truth about how much was seen."""
    random = np.random.default_rng(0)
    gene_labels = np.arange(20) % 2 == 0
    labels, scores = np.repeat(gene_labels, 15), np.repeat(random.normal(size=20) + gene_labels, 15)
    ranked, genes = Ranked(labels=labels, scores=scores), np.repeat(np.arange(20), 15)
    single = estimate(ranked.auroc, Units(count=300, labels=labels))
    clustered = estimate(ranked.auroc, Units(count=300, clusters=genes))
    assert single.value == clustered.value
    assert clustered.high - clustered.low > 2 * (single.high - single.low)  # type: ignore[operator]


def test_one_cluster_has_no_interval() -> None:
    labels, scores, _ = _items(2)
    found = estimate(
        Ranked(labels=labels, scores=scores).auroc, Units(count=len(labels), clusters=np.zeros(len(labels), int))
    )
    assert (found.low, found.high, found.error) == (None, None, None)
    assert found.value == pytest.approx(roc_auc_score(labels, scores))


def test_the_spread_is_that_of_the_mean() -> None:
    """The bootstrap's standard error of a mean is s / sqrt(n), but for the noise of a thousand resamples."""
    values = np.random.default_rng(5).normal(size=400)
    found = estimate(lambda w: (w @ values) / w.sum(axis=1), Units(count=400))
    assert found.error == pytest.approx(values.std() / 20, rel=0.08)
    assert found.low < values.mean() < found.high  # type: ignore[operator]
