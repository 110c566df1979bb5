"""A run that is asked to stop saves, exits with 75, and resumes as if it had not stopped."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from nemo_process import train, train_over
from scale_cases import ask_once_set_up, train_in_own_group

VALUES = (
    "dataset.sequence_length=64",
    "dataset.micro_batch_size=2",
    "dataset.global_batch_size=4",
    "dataset.num_workers=1",
    "trainer.validate_every=100",
    "trainer.checkpoint_every=100",
)


def losses(run: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


def arguments(run: Path, corpus: Path, steps: int) -> list[str]:
    given = (f"run_dir={run}", f"dataset.corpus={corpus}", f"trainer.max_steps={steps}")
    return ["--config-name", "train_tiny", *given, *VALUES]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_exits_with_75(sent: signal.Signals, corpus: Path, tmp_path: Path) -> None:
    """SIGUSR1 goes to the whole process group, as Slurm sends it; SIGTERM to the process, as Kubernetes does."""
    run, log = tmp_path / "run", tmp_path / "log"
    process = multiprocessing.get_context("forkserver").Process(
        target=train_in_own_group, args=(arguments(run, corpus, 500), log)
    )
    process.start()
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").is_file() or len(losses(run)) < 2:
        assert process.is_alive(), log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)
    assert process.pid is not None
    os.kill(process.pid, sent) if sent is signal.SIGTERM else os.killpg(process.pid, sent)
    process.join(60)
    assert process.exitcode == 75, log.read_text()[-3000:]
    done = losses(run)
    last = done[-1][0]
    assert f"stopped by {sent.name} after step {last}; its checkpoint is saved" in log.read_text()
    assert (run / "checkpoints" / f"step={last}" / "weights" / ".metadata").is_file()
    assert (run / "checkpoints" / f"step={last}-last").exists()

    if sent is signal.SIGTERM:
        return
    alone = "dataset.num_workers=0"
    assert train(*arguments(run, corpus, last + 2), alone, log=log) == 0, log.read_text()[-3000:]
    whole = tmp_path / "whole"
    assert train(*arguments(whole, corpus, last + 2), alone, log=log) == 0, log.read_text()[-3000:]
    assert losses(run) == losses(whole)


def test_a_signal_in_a_validation_is_not_kept_waiting(corpus: Path, tmp_path: Path) -> None:
    """A long validation is interrupted, and the run resumes with the results of an uninterrupted run."""
    run, log = tmp_path / "run", tmp_path / "log"
    small = ("dataset.num_workers=0", "dataset.sequence_length=16", "dataset.mode=window", "dataset.stride=1")
    long = ("trainer.validate_every=2", "trainer.validation_batches=1000000")
    process = multiprocessing.get_context("forkserver").Process(
        target=train_in_own_group, args=([*arguments(run, corpus, 4), *small, *long], log)
    )
    process.start()
    deadline = time.monotonic() + 200
    while not (run / "metrics.jsonl").is_file() or len(losses(run)) < 2:
        assert process.is_alive(), log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)
    time.sleep(1)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 75, log.read_text()[-3000:]
    assert "stopped by SIGTERM in the validation after step 2; its checkpoint is saved" in log.read_text()
    assert "validation_loss" not in (run / "metrics.jsonl").read_text()

    few = ("trainer.validate_every=2", "trainer.validation_batches=1")
    for one in (run, tmp_path / "whole"):
        assert train(*arguments(one, corpus, 4), *small, *few, log=log) == 0, log.read_text()[-3000:]
    assert losses(run) == losses(tmp_path / "whole")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_while_libraries_load_exits_with_75(sent: signal.Signals, corpus: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "recipes.train", *arguments(tmp_path / "run", corpus, 5)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True)
    while not listens(process.pid, sent):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(sent)
    assert f"stopped by {sent.name} before the first step" in process.communicate(timeout=100)[1]
    assert process.returncode == 75


def listens(pid: int, sent: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (sent - 1) & 1)


@pytest.mark.parametrize("sent", [pytest.param(signal.SIGTERM, marks=pytest.mark.torture), signal.SIGUSR1])
def test_a_signal_before_the_first_step_exits_with_75(sent: signal.Signals, corpus: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    status = train_over(1, *arguments(tmp_path / "run", corpus, 5), log=log, before=partial(ask_once_set_up, sent))
    assert status == 75, log.read_text()[-3000:]
    assert f"stopped by {sent.name} before the first step" in log.read_text()
    assert not list((tmp_path / "run" / "checkpoints").glob("step=*"))
