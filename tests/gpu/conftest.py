"""A small corpus, a checkpoint to start from that a CPU wrote, and the curves that others are compared with."""

from pathlib import Path

import pytest
from corpora import prepare
from gpu_cases import on_gpus
from parallel_cases import trained

from corpus.synthetic import write_synthetic_genome


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 36,000 bases with a validation split."""
    folder = tmp_path_factory.mktemp("corpus")
    write_synthetic_genome(folder / "genome.fa", contigs=12, contig_length=3_000)
    prepare([folder / "genome.fa"], folder / "corpus", validation_fraction=0.25)
    return folder / "corpus"


@pytest.fixture(scope="session")
def cpu_run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three steps of the CPU recipe, in fp32."""
    run = tmp_path_factory.mktemp("runs") / "cpu"
    trained(run, corpus, "train_tiny", steps=3)
    return run


@pytest.fixture(scope="session")
def start(cpu_run: Path) -> str:
    """The override that starts a run from its checkpoint."""
    return f"init_from={cpu_run / 'checkpoints' / 'step=3'}"


@pytest.fixture(scope="session")
def one_gpu(start: str, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """Losses of three steps from there on one GPU, by precision."""
    folder = tmp_path_factory.mktemp("one_gpu")
    return {
        precision: on_gpus(folder / precision, corpus, start, *values, config="finetune_tiny")
        for precision, values in ONE_GPU.items()
    }


ONE_GPU = {
    "bf16": ("precision=bf16",),
    "fp8_delayed": ("precision=fp8_delayed", "precision.fp8_parameters=false"),
    "fp8_current": ("precision=fp8_current", "precision.fp8_parameters=false"),
}
