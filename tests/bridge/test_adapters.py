"""LoRA in the second engine: as in the first, from one start; its checkpoints are read, and resume exactly."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from by_hand import hf_tensors
from engine_runs import losses, words
from nemo_process import train_over
from one_start import one_start
from safetensors.numpy import load_file

from conversion.convert import convert

Run = Callable[..., None]

LORA = ("finetune=true", "lora.dim=4", "lora.rank_pattern=[linear_qkv:6]", "optimizer.lr=2e-3")


@pytest.fixture(scope="module")
def bridge_lora(folder: Path, bridge: Run) -> Path:
    bridge("train", *words(folder, "lora", "engine=bridge", "trainer.max_steps=20", *LORA))
    return folder / "lora"


def test_both_engines_give_the_same_adapters(folder: Path, bridge_lora: Path, tmp_path: Path) -> None:
    log = folder / "nemo_lora.log"
    given = words(folder, "nemo_lora", "trainer.max_steps=20", *LORA)
    assert train_over(1, *given, log=log, before=one_start) == 0, log.read_text()[-3000:]
    first, second = losses(folder / "nemo_lora"), losses(bridge_lora)
    assert first.keys() == second.keys() == set(range(1, 21))
    assert max(abs(first[step] - second[step]) for step in first) < 1e-6
    assert first[1] - first[20] > 1
    assert differ(*(merged(run, tmp_path / run.name) for run in (folder / "nemo_lora", bridge_lora))) < 1e-6
    assert differ(*(adapters(run, tmp_path / f"{run.name}-peft") for run in (folder / "nemo_lora", bridge_lora))) < 1e-6
    settings = [
        json.loads((tmp_path / f"{name}-peft/adapter_config.json").read_text()) for name in ("nemo_lora", "lora")
    ]
    assert settings[0] == settings[1]


def test_they_resume_exactly(folder: Path, bridge_lora: Path, bridge_run: Path, bridge: Run) -> None:
    """From step 10, beside the base that the run began with."""
    again = Path(shutil.copytree(bridge_lora, folder / "lora_again"))
    (again / "checkpoints" / "iter_0000020" / "manifest.json").unlink()
    (again / "metrics.jsonl").unlink()
    other = f"init_from={bridge_run / 'checkpoints'}"  # is not asked: the run has its base
    bridge("train", *words(folder, "lora_again", "engine=bridge", "trainer.max_steps=20", *LORA, other))
    found, wanted = losses(again), losses(bridge_lora)
    assert found == {step: wanted[step] for step in range(11, 21)}


def test_two_tensor_parallel_ranks_train_the_same(folder: Path, bridge_lora: Path, bridge: Run, tmp_path: Path) -> None:
    """Gate and up lie side by side on each rank, and apart in the checkpoint."""
    split = ("hardware.devices=2", "parallelism.tensor=2", "trainer.max_steps=10")
    bridge("train", *words(folder, "lora_tensor", "engine=bridge", *LORA, *split), ranks=2)
    one = adapters(bridge_lora / "checkpoints" / "iter_0000010", tmp_path / "one")
    assert differ(one, adapters(folder / "lora_tensor", tmp_path / "two")) < 1e-5


def merged(run: Path, out: Path) -> dict[str, object]:
    convert(run, out, to="hf")
    return dict(hf_tensors(out))


def adapters(run: Path, out: Path) -> dict[str, object]:
    convert(run, out, to="peft")
    return dict(load_file(out / "adapter_model.safetensors"))


def differ(one: dict, other: dict) -> float:
    """The largest difference between tensors of the same names."""
    assert one.keys() == other.keys()
    return max(float(abs(one[name] - other[name]).max()) for name in one)
