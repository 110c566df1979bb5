"""What a run says of how it stopped, and whether it asks to be started again."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.report.stops import describe_stops, read_stops
from training.ranks import outside_a_step, started_ranks
from training.status import NO_PROGRESS, PREEMPTED, STOPPED
from training.stops import newest_step, record_stop, report_status, request_restart, stop_before_first_step

Attempt = Callable[..., Path]


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attempt:
    """An attempt of a Slurm job, as one of its ranks sees it. Returns what the run tells its script in."""
    for name in list(os.environ):
        if name.startswith(("SLURM_", "TORCHELASTIC", "LOCAL_RANK")):
            monkeypatch.delenv(name)

    def begin(number: int, *, job: str = "7", rank: int = 0, world: int = 1) -> Path:
        told = {"SLURM_JOB_ID": job, "SLURM_RESTART_COUNT": str(number), "SLURM_NTASKS": str(world)}
        said = tmp_path / "said" / f"{job}.{number}"
        told |= {"SLURM_PROCID": str(rank), "SLURM_STEP_ID": "0", "GENOMIC_LLAMA_STOP_DIR": str(said)}
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        return said

    return begin


def saved(run: Path, step: int, *, whole: bool = True) -> None:
    folder = run / "checkpoints" / f"step={step}"
    (folder / "weights").mkdir(parents=True)
    if whole:
        (folder / "manifest.json").write_text("{}")


def test_only_a_whole_checkpoint_is_progress(tmp_path: Path) -> None:
    assert newest_step(tmp_path) == 0
    saved(tmp_path, 5)
    saved(tmp_path, 9, whole=False)
    assert newest_step(tmp_path) == 5


def test_a_run_asks_again_as_long_as_it_advances(tmp_path: Path, attempt: Attempt) -> None:
    for number, step in enumerate((3, 6, 8)):
        said = attempt(number)
        saved(tmp_path, step)
        assert request_restart(tmp_path, f"SIGUSR1 after step {step}") == PREEMPTED
        assert (said / "status").read_text() == "75\n"
        assert (said / "requeue").read_text() == f"SIGUSR1 after step {step}; the run resumes from step {step}\n"
    said = attempt(3)
    assert request_restart(tmp_path, "SIGUSR1 after step 8") == NO_PROGRESS
    assert (said / "status").read_text() == "70\n"
    assert not (said / "requeue").exists()
    assert [stop.requeue for stop in read_stops(tmp_path)] == [True, True, True, False]
    attempt(0, job="8")  # somebody submits it again
    assert request_restart(tmp_path, "SIGUSR1 before the first step") == PREEMPTED


def test_the_same_attempt_does_not_count_against_itself(tmp_path: Path, attempt: Attempt) -> None:
    attempt(0)
    assert [request_restart(tmp_path, "SIGUSR1 before the first step") for _ in range(2)] == [PREEMPTED] * 2


@pytest.mark.parametrize(
    ("signum", "asked", "requeue"),
    [
        (signal.SIGTERM, [0, 1, 2], True),
        (signal.SIGTERM, [0, 2], False),  # rank 1 crashed, and srun ends the others
        (signal.SIGUSR1, [2], True),  # srun never sends it
    ],
)
def test_before_the_first_step_every_rank_has_to_be_asked(
    signum: signal.Signals, asked: list[int], requeue: bool, tmp_path: Path, attempt: Attempt
) -> None:
    for rank in asked:
        said = attempt(0, rank=rank, world=3)
        assert stop_before_first_step(tmp_path, signum) == PREEMPTED
    assert (said / "requeue").exists() is requeue
    assert len(read_stops(tmp_path)) == int(requeue)


def test_the_first_status_counts(tmp_path: Path, attempt: Attempt) -> None:
    said = attempt(0)
    record_stop(tmp_path, "a guard at step 3", STOPPED)
    report_status(1)
    assert (said / "status").read_text() == "65\n"
    (stop,) = read_stops(tmp_path)
    assert (stop.job, stop.attempt, stop.reason, stop.status) == ("7", "7.0", "a guard at step 3", STOPPED)


def test_no_process_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENOMIC_LLAMA_STOP_DIR", raising=False)
    report_status(1)
    assert list(tmp_path.iterdir()) == []


def test_a_report_tells_how_often_and_why(tmp_path: Path, attempt: Attempt) -> None:
    assert describe_stops(read_stops(tmp_path)) == ""
    attempt(0)
    saved(tmp_path, 3)
    request_restart(tmp_path, "SIGUSR1 after step 3")
    record_stop(tmp_path, "a guard at step 5", STOPPED)
    with (tmp_path / "stops.jsonl").open("a") as file:
        file.write('{"time": 1')  # a power cut
    assert describe_stops(read_stops(tmp_path)) == (
        "Stopped 2 times, and asked to be started again 1 of 2: "
        "SIGUSR1 after step 3 (status 75); a guard at step 5 (status 65)."
    )


def test_who_started_the_ranks() -> None:
    slurm = {"SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_JOB_NAME": "x", "SLURM_JOB_ID": "1"}
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2"}
    for environment, expected in (
        ({}, None),
        (slurm, (2, 4, "Slurm")),
        ({**slurm, "SLURM_JOB_NAME": "interactive"}, None),
        ({**slurm, **torchrun}, (1, 2, "torchrun")),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, (1, 2, "Lightning")),
        ({"NODE_RANK": "1", "MASTER_ADDR": "n1"}, (1, 0, "Lightning")),
        ({"NODE_RANK": "0", "MASTER_ADDR": "n1"}, None),
    ):
        found = started_ranks(environment)
        assert (found and (found.rank, found.world, found.launcher)) == expected
    assert outside_a_step(slurm)
    assert not outside_a_step({**slurm, "SLURM_STEP_ID": "0"})
    assert not outside_a_step({})
