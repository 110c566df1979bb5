"""Real training on two nodes of a Slurm: stopped and requeued, and through NeMo's own command.

The ranks meet over gloo. All jobs run side by side, because each spends most of its time importing NeMo.
"""

import json
import sys
from pathlib import Path

import pytest
from slurm_cluster import Cluster

from evaluation.report.stops import read_stops

BIN = Path(sys.executable).parent
STEPS = 120
VALUES = (
    "hardware.num_nodes=2",
    "dataset.sequence_length=64",
    "dataset.micro_batch_size=2",
    "dataset.global_batch_size=4",
    f"trainer.max_steps={STEPS}",
    "trainer.validate_every=1000",
    "trainer.checkpoint_every=1000",
    "launch.environment={OMP_NUM_THREADS: '1'}",
)
RUNS = {
    "whole": (),
    "stopped": (),
    "split": ("parallelism.tensor=2", "parallelism.sequence_parallel=true", "trainer.max_steps=3"),
}


def losses(run: Path) -> list[tuple[int, float]]:
    path = run / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


@pytest.fixture(scope="module")
def jobs(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("runs")
    submitted = {
        name: (folder / name, cluster.launch("llama3_tiny_genomic", *VALUES, *more, f"run_dir={folder / name}"))
        for name, more in RUNS.items()
    }
    run, job = submitted["stopped"]
    cluster.wait(lambda: len(losses(run)) >= 2, 240, what="the first steps")
    cluster.run("scancel", "--signal=USR1", job)
    return submitted


def test_two_nodes_stopped_and_requeued_train_as_if_they_had_not_been(
    jobs: dict[str, tuple[Path, str]], cluster: Cluster
) -> None:
    run, job = jobs["stopped"]
    ended = cluster.wait_for(job, seconds=400)
    log = (run / "slurm" / f"llama3-tiny-genomic-{job}.log").read_text()
    assert (ended["JobState"], ended["Restarts"], ended["ExitCode"]) == ("COMPLETED", "1", "0:0"), log[-5000:]
    (stop,) = read_stops(run)
    assert (stop.reason, stop.requeue) == (f"SIGUSR1 after step {stop.step}", True)
    assert f"requeued: {stop.reason}; the run resumes from step {stop.step}" in log
    whole, other = jobs["whole"]
    assert cluster.wait_for(other, seconds=200)["JobState"] == "COMPLETED"
    assert losses(run) == losses(whole)
    assert len(losses(run)) == STEPS


def test_two_nodes_that_split_each_layer(jobs: dict[str, tuple[Path, str]], cluster: Cluster) -> None:
    run, job = jobs["split"]
    assert cluster.wait_for(job, seconds=400)["JobState"] == "COMPLETED"
    assert [step for step, _ in losses(run)] == [1, 2, 3]


def test_nemos_own_command_submits_a_job_that_trains(cluster: Cluster, tmp_path: Path) -> None:
    """Detached, because NeMo-Run follows a job by Slurm's accounting, which is off here."""
    run = tmp_path / "run"
    command = [
        str(BIN / "nemo"),
        *("llm", "pretrain", "--factory", f"llama3_tiny_genomic(run_dir='{run}')", "-y"),
        "run.executor=genomic_slurm_cpu(bio,tests)",
        *("run.detach=True", "trainer.max_steps=2", "data.seq_length=64", "model.config.seq_length=64"),
    ]
    cluster.run(*command, NEMORUN_HOME=str(tmp_path / "home"), OMP_NUM_THREADS="1")
    job = cluster.run("squeue", "--noheader", "--format=%i", "--name=bio-bio.pretrain").strip()
    ended = cluster.wait_for(job, seconds=200)
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "0")
    assert [step for step, _ in losses(run)] == [1, 2]
