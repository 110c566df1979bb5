"""How a job ends and whether it is started again, for each way in which a run stops, by real submissions.

All jobs are submitted at once and run side by side, with a stand-in for `python` (`stub_training.py`).
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from slurm_cluster import Cluster

from evaluation.report.stops import read_stops

ONE, TWO, FOUR = (1, 1), (1, 2), (2, 2)
"""Nodes, and ranks of each."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What happens to a run, and how its job is to end."""

    stub: str
    state: str = "COMPLETED"
    restarts: int = 0
    code: str = "0:0"  # of srun, where the run says none: 143 too, if a rank was ended before it listened
    shape: tuple[int, int] = FOUR
    limit: bool = False
    do: str = ""
    once: str = "steps"  # the file after whose appearance `do` is done
    reasons: tuple[str, ...] = ()


USR1_LATER, ASKED = "0:wait", "SIGUSR1 after step N"
CASES = {
    "finishes": Case(stub=""),
    "limit-1-rank": Case(stub=USR1_LATER, limit=True, restarts=1, shape=ONE, reasons=(ASKED,)),
    "limit-2-ranks": Case(stub=USR1_LATER, limit=True, restarts=1, shape=TWO, reasons=(ASKED,)),
    "limit-2-nodes": Case(stub=USR1_LATER, limit=True, restarts=1, reasons=(ASKED,)),
    "term": Case(stub="0:wait", do="scancel --signal=TERM", restarts=1, reasons=("SIGTERM after step N",)),
    "usr1": Case(stub="0:wait", do="scancel --signal=USR1", restarts=1, reasons=(ASKED,)),
    "term-while-loading": Case(
        stub="0:wait-load",
        do="scancel --signal=TERM",
        once="loading",
        restarts=1,
        reasons=("SIGTERM before the first step",),
    ),
    "usr1-while-loading": Case(
        stub="0:wait-load",
        do="scancel --signal=USR1",
        once="loading",
        restarts=1,
        reasons=("SIGUSR1 before the first step",),
    ),
    "requeued-by-hand": Case(stub="0:wait", do="scontrol requeue", restarts=1, reasons=("SIGTERM after step N",)),
    "cancelled": Case(stub="wait", do="scancel", state="CANCELLED", code="0:15", reasons=("SIGTERM after step N",)),
    "crash-at-start": Case(stub="crash-load", state="FAILED", code="1:0"),
    "crash-in-training": Case(stub="crash-3", state="FAILED", code="1:0"),
    "crash-after-a-checkpoint": Case(
        stub="0:ask-3,1:crash-5", state="FAILED", code="1:0", restarts=1, reasons=(ASKED,)
    ),
    "killed-at-start": Case(stub="segv-load", state="FAILED", code="139:0|143:0"),
    "guard": Case(stub="guard-3", state="FAILED", code="65:0", reasons=("a guard at step 3",)),
    "hang": Case(stub="hang-3", state="FAILED", code="70:0", reasons=("a hang at step 3",)),
    "75-without-a-word": Case(stub="status-75", state="FAILED", code="75:0|143:0"),
    "no-progress": Case(
        stub="ask-load",
        state="FAILED",
        code="70:0",
        restarts=1,
        reasons=("SIGUSR1 before the first step", "SIGUSR1 before the first step; no new checkpoint since step 0"),
    ),
    "no-progress-after-some": Case(
        stub="0:ask-2,1:ask-load",
        state="FAILED",
        code="70:0",
        restarts=1,
        reasons=(ASKED, "SIGUSR1 before the first step; no new checkpoint since step N"),
    ),
    "progress-each-time": Case(stub="0:ask-2,1:ask-4,2:ask-6", restarts=3, reasons=(ASKED, ASKED, ASKED)),
    # No word can be written there: the status is srun's, of the rank that failed or of one that was ended for it.
    "full-disk": Case(stub="0:ask-3,0:full", state="FAILED", code="1:0|137:0"),
}


@dataclass(frozen=True, kw_only=True)
class Submitted:
    run: Path
    job: str


@pytest.fixture(scope="module")
def submitted(cluster: Cluster, stub: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Submitted]:
    """Every case as a job of its own; what is to be done to one is done once it trains."""
    folder = tmp_path_factory.mktemp("runs")
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda name: submit_case(cluster, stub, folder / name, CASES[name]), CASES)
        jobs = dict(zip(CASES, found, strict=True))
    for name, case in CASES.items():
        if case.do:
            cluster.wait((jobs[name].run / case.once).exists, 200, what=f"{name} to train")
            cluster.run(*case.do.split(), jobs[name].job)
    return jobs


def submit_case(cluster: Cluster, stub: Path, run: Path, case: Case) -> Submitted:
    nodes, devices = case.shape
    run = cluster.small / run.name if "full" in case.stub else run
    overrides = [
        f"run_dir={run}",
        f"hardware.num_nodes={nodes}",
        f"hardware.devices={devices}",
        "dataset.micro_batch_size=1",
        f"launch.setup=export PATH={stub}:$PATH STUB={case.stub}",
    ]
    # Slurm counts limits in minutes, and asks when so many seconds are left.
    limit = {"SBATCH_TIMELIMIT": "1", "SBATCH_SIGNAL": "USR1@50"} if case.limit else {}
    return Submitted(run=run, job=cluster.launch("llama3_tiny_genomic", *overrides, **limit))


@pytest.mark.parametrize("name", CASES)
def test_how_it_ends(name: str, submitted: dict[str, Submitted], cluster: Cluster) -> None:
    case, one = CASES[name], submitted[name]
    job = cluster.wait_for(one.job)
    log = (one.run / "slurm" / f"llama3-tiny-genomic-{one.job}.log").read_text()
    assert (job["JobState"], int(job["Restarts"])) == (case.state, case.restarts), log
    assert job["ExitCode"] in case.code.split("|"), log
    assert (
        tuple(re.sub("(after|since) step [1-9][0-9]*", r"\1 step N", stop.reason) for stop in read_stops(one.run))
        == case.reasons
    ), log
