"""Processes in the environment of Megatron-Bridge, which cannot be NeMo's: `make bridge` makes it."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from corpora import prepare
from transformers import LlamaConfig, LlamaForCausalLM

from configs.locate import CONFIGS
from corpus.synthetic import write_synthetic_genome

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not
sys.path.insert(0, str(Path(__file__).parents[1] / "conversion"))  # for by_hand.py

from engine_runs import PYTHON, ROOT, words

Run = Callable[..., None]
Start = Callable[..., "Process"]


class Process:
    """A process that the server forked; what it says is in `log`."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log = pid, log

    def wait(self, seconds: float = 400) -> int:
        """Its exit status, when it has ended."""
        self.wait_for(lambda: Path(f"{self.log}.status").exists(), seconds)
        return int(Path(f"{self.log}.status").read_text())

    def wait_for(self, seen: Callable[[], bool], seconds: float = 400) -> None:
        """Until `seen` is true."""
        deadline = time.monotonic() + seconds
        while not seen():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def said(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Of a process of Megatron-Bridge."""
    if not PYTHON.exists():
        pytest.skip("no .venv-bridge: `make bridge` makes it, with Python 3.12")
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support", ROOT / "tests" / "bridge")))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def start_bridge(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts `train …` or a case of bridge_cases.py there, as rank `rank` of `ranks`."""
    logs, numbers, port = tmp_path_factory.mktemp("logs"), itertools.count(), 29600 + os.getpid() % 1000
    server = subprocess.Popen(
        [PYTHON, Path(__file__).with_name("fork_server.py")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    requests, answers = server.stdin, server.stdout
    assert requests is not None
    assert answers is not None
    while answers.readline() not in ("ready\n", ""):
        pass

    def start(*arguments: object, rank: int = 0, ranks: int = 1) -> Process:
        world = {"WORLD_SIZE": ranks, "RANK": rank, "LOCAL_RANK": rank, "TORCHELASTIC_RUN_ID": "test"}
        launched = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, **world}
        log = logs / f"{next(numbers)}.log"
        env = {key: str(value) for key, value in launched.items()} if ranks > 1 else {}
        asked = {"arguments": [*map(str, arguments)], "env": env, "log": str(log)}
        print(json.dumps(asked), file=requests, flush=True)
        return Process(int(answers.readline()), log)

    yield start
    requests.close()
    server.wait(20)


@pytest.fixture(scope="session")
def bridge(start_bridge: Start) -> Run:
    """Runs the same over `ranks` processes to their end; fails with what the first one said."""

    def run(*arguments: object, ranks: int = 1) -> None:
        processes = [start_bridge(*arguments, rank=rank, ranks=ranks) for rank in range(ranks)]
        statuses = [process.wait() for process in processes]
        assert statuses == [0] * ranks, processes[0].said()[-6000:]

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """corpus/, and start/, a model with which all begin."""
    folder = tmp_path_factory.mktemp("engines")
    write_synthetic_genome(folder / "genome.fa", contigs=12, contig_length=1_000)
    lines = (folder / "genome.fa").read_text().splitlines(keepends=True)
    soft = (line.lower() if number % 3 == 2 and line[0] != ">" else line for number, line in enumerate(lines))
    (folder / "genome.fa").write_text("".join(soft))
    prepare([folder / "genome.fa"], folder / "corpus", validation_fraction=0.25)
    torch.manual_seed(5)
    model = LlamaForCausalLM(LlamaConfig.from_pretrained(CONFIGS / "llama3_tiny_genomic_config"))
    model.save_pretrained(folder / "start")
    return folder


@pytest.fixture(scope="session")
def bridge_run(folder: Path, bridge: Run) -> Path:
    bridge("train", *words(folder, "bridge", "engine=bridge", "trainer.max_steps=20"))
    return folder / "bridge"
