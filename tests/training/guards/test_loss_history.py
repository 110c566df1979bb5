"""What counts as a spike, and for how long."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.guards.loss_history import NOT_FINITE, SPIKE, LossHistory, parse_steps

NOISE = random.Random(0)
LOSSES = [1.0 + NOISE.gauss(0, 0.01) for _ in range(200)]


def judged(losses: list[float], *, window: int = 100, deviations: float = 10) -> list[str]:
    history = LossHistory(window=window, deviations=deviations)
    return [history.judge(loss, 1.0) for loss in losses]


def test_noise_and_a_falling_loss_are_no_spikes() -> None:
    assert not any(judged(LOSSES))
    assert not any(judged([5 * 0.99**step + noise for step, noise in enumerate(LOSSES)]))


def test_a_spike_is_found_and_does_not_hide_the_next() -> None:
    findings = judged([*LOSSES, 1.5, *LOSSES[:20], *[1.5] * 30])
    assert [step for step, finding in enumerate(findings) if finding == SPIKE] == [200, *range(221, 251)]


def test_a_new_level_is_accepted_in_the_end() -> None:
    findings = judged([*LOSSES, *(loss + 0.5 for loss in LOSSES)])
    assert findings[200:230] == [SPIKE] * 30
    assert not any(findings[250:])


def test_nothing_is_a_spike_before_the_window_is_full() -> None:
    assert judged([1.0] * 9 + [50.0], window=10)[-1] == ""
    assert judged([1.0] * 10 + [50.0], window=10)[-1] == SPIKE


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_found_and_forgotten(bad: float) -> None:
    history = LossHistory(window=3, deviations=10)
    assert history.judge(bad, 1.0) == history.judge(1.0, bad) == NOT_FINITE
    assert history.losses == []


@given(st.lists(st.floats(0, 10), min_size=9, max_size=9), st.floats(0, 10))
def test_a_constant_factor_changes_nothing(losses: list[float], loss: float) -> None:
    """The verdict does not depend on the unit of the loss, here nats and 1024ths."""
    plain, scaled = (
        LossHistory(window=9, deviations=5, losses=[factor * one for one in losses]) for factor in (1.0, 1024.0)
    )
    assert plain.judge(loss, 1) == scaled.judge(1024 * loss, 1)
    assert plain.limit >= statistics.median([*losses[1:], loss])


def test_steps() -> None:
    assert parse_steps(["5", "7-9"]) == [range(5, 6), range(7, 10)]
    for bad in ("0", "9-7", "x", "-3"):
        with pytest.raises(ValueError, match=r"step|int"):
            parse_steps([bad])
