"""Measures of labels beside their definitions, calibration, and what counting achieves."""

import numpy as np
import pytest

from evaluation.baselines.labels import label_baselines
from evaluation.labelled.measures import measure, probabilities
from evaluation.prediction.calibration import fit_calibration
from tokenizer.sequence import encode

CHANCES = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
TRUTH = np.array([0, 0, 1, 1, 0])


def test_two_classes_by_hand() -> None:
    found = measure("classify", CHANCES, TRUTH)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["f1"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
    assert found["mcc"] == pytest.approx((1 * 2 - 1 * 1) / np.sqrt(2 * 2 * 3 * 3))
    assert found["auroc"] == pytest.approx(5 / 6)  # of 6 pairs, 0.4 is not above 0.6
    assert found["auprc"] == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_three_classes_are_means_over_those_that_are_there() -> None:
    chances = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    assert measure("classify", chances, np.array([0, 1, 1]))["auroc"] == pytest.approx(1.0)


def test_bases_without_a_label_do_not_count() -> None:
    assert measure("tokens", CHANCES, np.array([0, -100, -100, 1, 0])) == measure(
        "tokens", CHANCES[[0, 3, 4]], TRUTH[[0, 3, 4]]
    )


def test_numbers_and_labels_are_means_over_their_columns() -> None:
    values, truth = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]), np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
    assert measure("regress", values, truth)["spearman"] == pytest.approx(0.0)
    assert measure("regress", values[:, :1], truth[:, :1])["pearson"] == pytest.approx(0.981981, abs=1e-6)
    chances = np.array([[0.9, 0.2], [0.1, 0.7], [0.8, 0.4]])
    assert measure("multilabel", chances, np.array([[1, 0], [0, 1], [1, 1]]))["accuracy"] == pytest.approx(5 / 6)


def test_what_is_undefined_is_left_out() -> None:
    assert "auroc" not in measure("classify", CHANCES, np.zeros(5, dtype=int))
    assert measure("regress", np.ones((3, 1)), np.array([[1.0], [2.0], [3.0]])) == {}


@pytest.mark.parametrize("kind", ["classify", "multilabel"])
def test_calibration_undoes_overconfidence(kind: str) -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(4000, 2))
    chances = probabilities(kind, logits)
    draws = random.random((4000, 2))
    truth = (draws[:, 0] < chances[:, 1]).astype(int) if kind == "classify" else (draws < chances).astype(float)
    fitted = fit_calibration(kind, logits * 4 + (0 if kind == "classify" else 1), truth)
    assert fitted is not None
    assert fitted["scale"] == pytest.approx([0.25, 0.25], rel=0.12)
    assert fitted["shift"] == pytest.approx([0.0, 0.0] if kind == "classify" else [-0.25, -0.25], abs=0.1)
    assert fit_calibration("regress", logits, truth) is None


def test_kmers_see_composition_and_not_order() -> None:
    random = np.random.default_rng(1)

    def some(order: bool) -> tuple[list[np.ndarray], np.ndarray]:
        truth = np.arange(400) % 2
        rows = []
        for label in truth:
            if order:
                parts = ["GATTACAG", "TCCGTGAA"][:: 1 if label else -1]
            else:
                parts = ["GATTACAG" if label else "TCCGTGAA"] * 2
            filler = ["".join(random.choice(list("ACGT"), 12)) for _ in range(3)]
            rows.append(encode(filler[0] + parts[0] + filler[1] + parts[1] + filler[2]))
        return rows, truth

    for order, expected in ((False, 1.0), (True, 0.5)):
        found = label_baselines("classify", *some(order), *some(order), classes=2)
        assert [one.name for one in found] == ["majority", "6-mers"]
        assert found[0].measures["auroc"] == 0.5
        assert found[1].measures["auroc"] == pytest.approx(expected, abs=0.02 if not order else 0.1)
