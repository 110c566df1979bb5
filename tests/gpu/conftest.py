"""A checkpoint to start from that a CPU wrote, and the curves that others are compared with."""

from pathlib import Path

import pytest
from gpu_cases import on_gpus
from parallel_cases import trained


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
