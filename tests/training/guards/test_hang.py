"""A rank that hangs is named, and the run ends so that a launcher restarts it, once."""

import functools
import json
from collections import deque
from pathlib import Path

import pytest
from guard_cases import hang_at
from hypothesis import given
from hypothesis import strategies as st
from nemo_process import train_over
from parallel_cases import VALUES

from training.guards.hang_report import Report, summary, suspects
from training.guards.limit import MIN_SECONDS, silence_limit
from training.status import HUNG, PREEMPTED


def test_a_hung_rank_is_named(corpus: Path, tmp_path: Path) -> None:
    """The second rank never gets sample 5, which is of the second step; the first waits for it in a reduction."""
    run, log = tmp_path / "run", tmp_path / "log"
    values = (f"run_dir={run}", f"dataset.corpus={corpus}", *VALUES, "guards.hang_seconds=4")
    for status, sequel in ((PREEMPTED, "may be started again"), (HUNG, "hung before from this checkpoint")):
        hang = functools.partial(hang_at, 5)
        found = train_over(2, "--config-name", "train_tiny", "hardware.devices=2", *values, log=log, before=hang)
        output = log.read_text() + (tmp_path / "log.1").read_text()
        assert found == status, output[-3000:]
        assert output.count("error: nothing has happened for 4 s") == 1
        assert "rank 1 (" in output
        assert "holds up the others: step 2" in output
        assert sequel in output
    folder = run / "guards" / "hang-from-step=0"
    reports = [json.loads((folder / f"rank={rank}.json").read_text()) for rank in (0, 1)]
    assert [report["waiting"] for report in reports] == [True, False]
    assert "in stuck" in (folder / "rank=1.stacks").read_text()
    assert "distributed" in (folder / "rank=0.stacks").read_text()


def report(rank: int, *, waiting: bool) -> Report:
    return Report(rank=rank, host="a", pid=1, doing="step 2", micro_batches=0, place="x.py:1 in f", waiting=waiting)


def test_who_is_suspected() -> None:
    everyone = {rank: report(rank, waiting=rank != 2) for rank in range(4)}
    assert suspects(everyone, 4) == [2]
    assert suspects({rank: one for rank, one in everyone.items() if rank != 3}, 4) == [3]  # stopped or dead
    waiting = {rank: report(rank, waiting=True) for rank in range(4)}
    assert suspects(waiting, 4) == []
    assert "the network between them" in summary(waiting, 4, Path("run"), limit=9, again=False)
    assert "and 92 more ranks" in summary({}, 100, Path("run"), limit=9, again=False)


@given(st.lists(st.floats(0.01, 1000), max_size=64), st.floats(1, 10_000), st.floats(1.1, 100))
def test_the_limit(steps: list[float], seconds: float, factor: float) -> None:
    found = silence_limit(in_step=True, steps=deque(steps), seconds=seconds, factor=factor)
    assert found <= seconds == silence_limit(in_step=False, steps=deque(steps), seconds=seconds, factor=factor)
    assert found >= min(seconds, MIN_SECONDS)


@pytest.mark.parametrize(("steps", "expected"), [([6.6] * 64, 198.0), ([0.1] * 64, 60.0), ([6.6] * 2, 900.0)])
def test_the_limit_of_known_steps(steps: list[float], expected: float) -> None:
    assert silence_limit(in_step=True, steps=deque(steps), seconds=900, factor=30) == pytest.approx(expected)
