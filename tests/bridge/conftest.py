"""Processes in the environment of Megatron-Bridge, which cannot be NeMo's: `make bridge` makes it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def start_bridge() -> Callable[..., "subprocess.Popen[str]"]:
    """Starts `python ARGUMENTS` there, as rank `rank` of `ranks`; what it says is in its `stderr`."""
    if not PYTHON.exists():
        pytest.skip("no .venv-bridge: `make bridge` makes it, with Python 3.12")
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support", ROOT / "tests" / "bridge")))
    common = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    port = str(29600 + os.getpid() % 1000)

    def start(*arguments: object, rank: int = 0, ranks: int = 1) -> "subprocess.Popen[str]":
        world = {"WORLD_SIZE": ranks, "RANK": rank, "LOCAL_RANK": rank, "TORCHELASTIC_RUN_ID": "test"}
        launched = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, **{key: str(one) for key, one in world.items()}}
        return subprocess.Popen(
            [PYTHON, *map(str, arguments)],
            env=common | (launched if ranks > 1 else {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    return start


@pytest.fixture(scope="session")
def bridge(start_bridge: Callable[..., Any]) -> Run:
    """Runs `python ARGUMENTS` there, over `ranks` processes, to their end; fails with what the first one said."""

    def run(*arguments: object, ranks: int = 1) -> None:
        processes = [start_bridge(*arguments, rank=rank, ranks=ranks) for rank in range(ranks)]
        texts = [process.communicate(timeout=400)[1] for process in processes]
        assert [process.returncode for process in processes] == [0] * ranks, texts[0][-6000:]

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
    bridge("-m", "recipes.train", *words(folder, "bridge", "engine=bridge", "trainer.max_steps=20"))
    return folder / "bridge"
