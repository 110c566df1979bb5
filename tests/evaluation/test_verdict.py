"""The words fit the numbers, the unwelcome ones too."""

import math

import pytest

from evaluation.baselines.markov import MarkovScore
from evaluation.report.verdict import against_baseline, answer, gap_closed
from foundation.pages.quantities import duration, short


def _chain(bits: float) -> MarkovScore:
    return MarkovScore(order=4, bases_scored=1000, nats=1000 * bits * math.log(2))


@pytest.mark.parametrize(
    ("model", "value", "words", "good"),
    [
        (1.80, "\N{MINUS SIGN}0.100", "beats the best Markov chain, order 4 (1.900", True),
        (1.95, "+0.050", "does not beat", False),
        (1.9001, "±0.000", "no better and no worse", None),
    ],
)
def test_against_the_best_chain(model: float, value: str, words: str, good: bool | None) -> None:
    verdict = against_baseline(model, _chain(1.9))
    assert (verdict.value, verdict.good) == (value, good)
    assert words in verdict.sentence


@pytest.mark.parametrize(
    ("model", "words"), [(1.8, "beats the best"), (1.95, "does not beat the best"), (1.9001, "is as good as the best")]
)
def test_the_answer_in_one_sentence(model: float, words: str) -> None:
    assert f"the model {words} Markov chain (order 4, 1.900)." in answer(model, _chain(1.9))


@pytest.mark.parametrize(
    ("model", "floor", "value", "words"),
    [
        (1.85, 1.8, "50.0%", "of the gap"),
        (1.95, 1.8, "0%", "none of the gap"),
        (1.70, 1.8, "below floor", "chance on a small set"),
        (1.8, 1.8, "100.0%", "of the gap"),
        (1.85, 1.9, "no gap", "already at"),
    ],
)
def test_towards_the_floor(model: float, floor: float, value: str, words: str) -> None:
    verdict = gap_closed(model, _chain(1.9), floor)
    assert verdict.value == value
    assert words in verdict.sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (245, "4 min 5 s"), (3600, "1 h"), (11_520, "3 h 12 min"), (187_200, "2 d 4 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12, "12"), (999_700, "1 M"), (6_981_685_248, "6.98 B"), (4430, "4.43 k"), (8.8e12, "8.8 T")]
)
def test_large_numbers(value: float, text: str) -> None:
    assert short(value) == text
