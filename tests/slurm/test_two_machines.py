"""Two machines without a scheduler, as docs/launch.md starts them: torchrun on each, given its place by variables."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from slurm_cluster import ADDRESSES, Cluster

from evaluation.report.stops import read_stops
from training.stops import newest_step

TORCHRUN = str(Path(sys.executable).with_name("torchrun"))
STUB = (str(Path(__file__).with_name("stub_training.py")),)
REAL = ("-m", "recipes.train", "--config-name", "train_tiny", "hardware.num_nodes=2", "dataset.sequence_length=64")


class Machines:
    """torchrun on two hosts."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder, self.starts = cluster, folder, 0

    def start(self, words: Sequence[str], **variables: str) -> list[subprocess.Popen[bytes]]:
        self.starts += 1
        self.said = self.folder / f"said-{self.starts}"
        given = {
            "PET_NNODES": "2",
            "PET_NPROC_PER_NODE": "1",
            "PET_MASTER_ADDR": ADDRESSES["n1"],
            "PET_MASTER_PORT": str(29500 + self.starts),
            "GENOMIC_LLAMA_STOP_DIR": str(self.said),
            "OMP_NUM_THREADS": "1",
            "SLURM_RESTART_COUNT": str(self.starts),  # which start it is, for the stand-in
        }
        return [self._on(node, rank, words, {**given, **variables}) for rank, node in enumerate(("n1", "n2"))]

    def _on(self, node: str, rank: int, words: Sequence[str], given: dict[str, str]) -> subprocess.Popen[bytes]:
        with open(self.folder / f"log-{self.starts}.{rank}", "wb") as log:
            return subprocess.Popen(
                self.cluster.inside(node, [TORCHRUN, *words, f"run_dir={self.folder / 'run'}"]),
                env=self.cluster.environment(**given, PET_NODE_RANK=str(rank)),
                stdout=log,
                stderr=log,
            )

    def wait(self, path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
        deadline = time.monotonic() + 120
        while not path.exists():
            assert time.monotonic() < deadline
            assert all(process.poll() is None for process in processes), self.log()
            time.sleep(0.1)

    def log(self) -> str:
        return "".join(path.read_text()[-3000:] for path in sorted(self.folder.glob(f"log-{self.starts}.*")))


@pytest.fixture
def machines(cluster: Cluster, tmp_path: Path) -> Machines:
    return Machines(cluster, tmp_path)


def test_real_training_loses_the_first_machine_and_resumes(machines: Machines, cluster: Cluster) -> None:
    """gloo over the network of the two; the same command on both resumes from the newest complete checkpoint."""
    run, batch = machines.folder / "run", ("dataset.micro_batch_size=2", "dataset.global_batch_size=4")
    both = machines.start((*REAL, *batch, "trainer.max_steps=5000", "trainer.checkpoint_every=20"))
    machines.wait(run / "checkpoints" / "step=20" / "manifest.json", both)
    cluster.lose_node("n1")
    began = time.monotonic()
    assert all(process.wait(60) != 0 for process in both)
    assert time.monotonic() - began < 40
    cluster.start_node("n1")
    last = newest_step(run) + 3
    again = machines.start((*REAL, *batch, f"trainer.max_steps={last}", "trainer.checkpoint_every=20"))
    assert [process.wait(200) for process in again] == [0, 0], machines.log()
    assert newest_step(run) == last


def test_asked_to_stop_it_saves_and_says_so(machines: Machines) -> None:
    """torchrun itself ends with 1 whatever the ranks say; the run's own word is 75."""
    both = machines.start(STUB, STUB="1:wait")
    machines.wait(machines.folder / "run" / "steps", both)
    both[1].send_signal(signal.SIGTERM)
    assert [process.wait(60) for process in both] == [1, 1], machines.log()
    assert (machines.said / "status").read_text() == "75\n"
    (stop,) = read_stops(machines.folder / "run")
    assert (stop.reason, stop.requeue) == (f"SIGTERM after step {stop.step}", True)
    again = machines.start(STUB)
    assert [process.wait(60) for process in again] == [0, 0], machines.log()


def test_a_rank_that_crashes_ends_both_machines(machines: Machines) -> None:
    both = machines.start(STUB, STUB="crash-4")
    assert all(process.wait(120) != 0 for process in both), machines.log()
    assert (machines.said / "status").read_text() == "1\n"
    assert not (machines.said / "requeue").exists()
