"""A run that stops after any step and resumes gives the same bits as a run that did not stop."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoint_contents import differences
from parallel_cases import trained
from resume_cases import ASYNCHRONOUS, STEPS, SYNCHRONOUS, train
from torture import Tally, times


def curve(run: Path) -> dict[int, tuple[float, float, float]]:
    """Loss, learning rate and norm of the gradient of each step; the later line where there are two."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: (line["loss"], line["learning_rate"], line["grad_norm"]) for line in lines if "loss" in line}


def test_asynchronous_checkpoints_hold_what_synchronous_ones_do(uninterrupted: dict[str, Path]) -> None:
    """Also though training went on while they were written."""
    for step in range(1, STEPS + 1):
        left, right = (run / "checkpoints" / f"step={step}" for run in uninterrupted.values())
        assert differences(left, right) == []
    assert curve(uninterrupted[SYNCHRONOUS]) == curve(uninterrupted[ASYNCHRONOUS])


def test_a_resume_after_any_step_is_exact(
    uninterrupted: dict[str, Path], corpus: Path, tmp_path: Path, tally: Callable[[str], Tally]
) -> None:
    """After a step with a validation, and after one without; in the long version after each, both ways."""
    counted = tally("exact resume: losses, weights, optimizer, schedule, random states and place in the data")
    long = [(step, how) for step in range(1, STEPS) for how in (SYNCHRONOUS, ASYNCHRONOUS)]
    for step, asynchronous in [(2, SYNCHRONOUS), (3, ASYNCHRONOUS), *long][: times(2, 2 + len(long))]:
        whole, run = uninterrupted[asynchronous], tmp_path / f"from-step-{step}-{asynchronous}"
        shutil.copytree(whole / "checkpoints" / f"step={step}", run / "checkpoints" / f"step={step}")
        assert f"resuming from {run / 'checkpoints' / f'step={step}'}" in train(
            run, corpus, STEPS, asynchronous=asynchronous
        )
        assert curve(run) == {after: values for after, values in curve(whole).items() if after > step}
        last = f"step={STEPS}"
        assert differences(run / "checkpoints" / last, whole / "checkpoints" / last) == []
        counted.count("asynchronous" if asynchronous == ASYNCHRONOUS else "synchronous")
        shutil.rmtree(run)


def test_the_number_of_data_parallel_ranks_may_change(corpus: Path, tmp_path: Path) -> None:
    """The distributed optimizer's state is resharded. Sums are in another order, so values agree up to rounding."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    sharded = "parallelism.distributed_optimizer=true"
    trained(run, corpus, "train_tiny", sharded, ranks=2, steps=3)
    shutil.copytree(run, whole)
    changed = trained(run, corpus, "train_tiny", sharded, ranks=1, steps=5)
    assert changed == pytest.approx(trained(whole, corpus, "train_tiny", sharded, ranks=2, steps=5), rel=0, abs=1e-5)
