"""Megatron-Bridge on two nodes of a Slurm: stopped, requeued, and trained to the end by `launch … engine=bridge`."""

import json
from pathlib import Path

import pytest
from corpora import prepare
from slurm_cluster import Cluster

from configs.compose import compose_config
from corpus.synthetic import write_synthetic_genome
from evaluation.report.stops import read_stops
from launch.preflight.engine import engine_python

STEPS = 60


@pytest.mark.skipif(
    not Path(engine_python(compose_config("train_tiny", ["engine=bridge"]))).is_file(), reason="make bridge"
)
def test_two_nodes_stopped_and_requeued(cluster: Cluster, tmp_path: Path) -> None:
    write_synthetic_genome(tmp_path / "genome.fa", contigs=12, contig_length=1_000)
    prepare([tmp_path / "genome.fa"], tmp_path / "corpus", validation_fraction=0.25)
    run = tmp_path / "run"
    job = cluster.launch(
        "llama3_tiny_genomic",
        "engine=bridge",
        "hardware.num_nodes=2",
        f"run_dir={run}",
        f"dataset.corpus={tmp_path / 'corpus'}",
        "dataset.sequence_length=64",
        "dataset.micro_batch_size=2",
        "dataset.global_batch_size=4",
        f"trainer.max_steps={STEPS}",
        "trainer.validate_every=1000",
        "trainer.validation_batches=1",
        "trainer.checkpoint_every=1000",
        "launch.environment={OMP_NUM_THREADS: '1'}",
    )
    cluster.wait(lambda: len(steps(run)) >= 2, 240, what="the first steps")
    cluster.run("scancel", "--signal=USR1", job)
    ended = cluster.wait_for(job, seconds=400)
    log = (run / "slurm" / f"llama3-tiny-genomic-{job}.log").read_text()
    assert (ended["JobState"], ended["Restarts"], ended["ExitCode"]) == ("COMPLETED", "1", "0:0"), log[-5000:]
    (stop,) = read_stops(run)
    assert (stop.reason, stop.requeue) == ("SIGUSR1 in training", True)
    assert f"requeued: {stop.reason}; the run resumes from step {stop.step}" in log
    assert steps(run) == list(range(1, STEPS + 1))


def steps(run: Path) -> list[int]:
    path = run / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [line["step"] for line in lines if "loss" in line]
