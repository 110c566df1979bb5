"""A tiny random model on disk and in memory, a small prepared corpus, and a run's files. Real genomes if at hand."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import prepare
from other_models import others  # noqa: F401
from tiny_llama import save_tiny_llama

REAL = Path(__file__).parents[3] / "shared" / "data"
CONTEXT = 24


@pytest.fixture(scope="session")
def real_data() -> Path:
    if not REAL.is_dir():
        pytest.skip("the real sequences are not at hand (../shared/data)")
    return REAL


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama of 256 tokens and 24 positions, saved as safetensors."""
    return save_tiny_llama(tmp_path_factory.mktemp("tiny"), positions=CONTEXT)


@pytest.fixture(scope="session")
def tiny_model(tiny_directory: Path) -> Iterator[Any]:
    """The tiny model, on one thread: with more, its small operations wait for one another on a busy machine."""
    import torch

    from evaluation.likelihood.model import load_model

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_model(tiny_directory, "float32", device="cpu")
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def genome() -> dict[str, bytes]:
    """Thirty contigs of 2 to 400 bases, in which A follows C more often than not; soft-masked runs and some N."""
    random = np.random.default_rng(11)
    records = {}
    for number in range(30):
        letters = list("ACGTacgtN")
        text = "".join(random.choice(letters, size=random.integers(2, 400), p=[0.2] * 4 + [0.045] * 4 + [0.02]))
        records[f"contig{number}"] = text.replace("CG", "CA").encode()
    return records


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, genome: dict[str, bytes]) -> Path:
    """The genome, prepared: train and test splits."""
    folder = tmp_path_factory.mktemp("prepared")
    write_fasta(folder / "genome.fa", genome)
    prepare([folder / "genome.fa"], folder / "corpus", validation_fraction=0.2, test_fraction=0.2, seed=1)
    return folder / "corpus"


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run directory with `steps` steps and two validations."""

    def write(name: str = "run", *, steps: int = 40, config: str = "trainer:\n  max_steps: 40\n") -> Path:
        run = tmp_path / name
        run.mkdir()
        lines = [training_line(step, loss=1.3 + 4 * math.exp(-step)) for step in range(1, steps + 1)]
        lines += [{"step": step, "validation_loss": 1.35} for step in (20, 40)] if steps >= 40 else []
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (run / "config.yaml").write_text(config)
        return run

    return write


def training_line(step: int, *, loss: float = 1.3) -> dict[str, Any]:
    return {"step": step, "loss": loss, "learning_rate": 1e-3, "grad_norm": 0.5, "tokens": 4096, "seconds": 2.0}


def write_fasta(path: Path, records: dict[str, bytes]) -> Path:
    path.write_bytes(b"".join(b">" + name.encode() + b"\n" + bases + b"\n" for name, bases in records.items()))
    return path


HEAD = "init_from: base\nfinetune: true\nhead:\n  kind: classify\n  train: data/table.csv\n  labels: [label]\n"


@pytest.fixture
def write_head_run(write_run: Callable[..., Path]) -> Callable[..., Path]:
    """Write the directory of a run that trains a classifier: forty steps, and `validations` validations."""

    def write(name: str = "head", *, config: str = HEAD, validations: int = 2, **measures: float) -> Path:
        run = write_run(name, steps=39, config=config)
        lines = []
        for number in range(1, validations + 1):
            found = {"accuracy": 0.5 + 0.1 * number, "auroc": 0.9 - 0.1 * number, **measures}
            lines.append({"step": 10 * number, "validation_loss": 0.5, "validation": found})
            lines[-1] |= {"calibration": {"scale": [1.0, 1.0], "shift": [0.0, 0.0]}}
        for line in lines[:1]:
            line["baselines"] = {"majority": {"accuracy": 0.55}, "6-mers": {"accuracy": 0.57, "auroc": 0.625}}
        with open(run / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        return run

    return write
