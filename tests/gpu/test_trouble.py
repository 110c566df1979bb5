"""What ends or spoils a run is noticed in a GPU's recipe as in the CPU's: guards, hangs, requests to leave."""

import functools
import math
import signal
from pathlib import Path
from typing import Any

import pytest
from gpu_cases import arguments
from gpu_process import train_on_gpus
from guard_cases import hang_at, spoil_losses
from parallel_cases import curve
from scale_cases import ask_once_set_up

from training.status import PREEMPTED


def train(run: Path, corpus: Path, *overrides: str, ranks: int, before: Any, steps: int = 4) -> tuple[int, str]:
    """Exit status and what was printed."""
    log = run.with_suffix(".log")
    words = arguments(run, corpus, *overrides, ranks=ranks, steps=steps)
    status = train_on_gpus(ranks, *words, log=log, before=before)
    return status, "".join(path.read_text() for path in sorted(run.parent.glob(f"{log.name}*")))


@pytest.mark.parametrize("precision", ["bf16", "fp8_delayed"])
def test_a_step_without_a_number_is_left_out(precision: str, corpus: Path, tmp_path: Path) -> None:
    """Sample 9 is of the third step. Weights in FP8 are looked through as well."""
    run, spoil = tmp_path / "run", functools.partial(spoil_losses, {9: math.nan})
    status, printed = train(run, corpus, f"precision={precision}", ranks=2, before=spoil)
    assert status == 0, printed[-3000:]
    assert "warning: step 3: not finite" in printed
    losses = curve(run)
    assert losses[2] is None
    assert math.isfinite(losses[3])


def test_a_hung_rank_is_named(corpus: Path, tmp_path: Path) -> None:
    hang = functools.partial(hang_at, 5)
    status, printed = train(tmp_path / "run", corpus, "guards.hang_seconds=4", ranks=2, before=hang)
    assert status == PREEMPTED, printed[-3000:]
    assert "rank 1 (" in printed
    assert "holds up the others: step 2" in printed


def test_a_request_to_leave_saves_and_exits_with_75(corpus: Path, tmp_path: Path) -> None:
    ask = functools.partial(ask_once_set_up, signal.SIGTERM)
    status, printed = train(tmp_path / "run", corpus, ranks=1, before=ask)
    assert status == PREEMPTED, printed[-3000:]
    assert "stopped by SIGTERM before the first step" in printed
