"""Checkpoints of GPU recipes: written both ways, resumed to the bit, converted, and exchanged with CPU recipes."""

from pathlib import Path

import pytest
from checkpoint_contents import differences
from gpu_cases import on_gpus
from parallel_cases import curve, trained
from safetensors.torch import load_file
from typer.testing import CliRunner

from genomic_llama.cli.main import app


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four steps on a GPU, saved at each second one."""
    run = tmp_path_factory.mktemp("whole") / "run"
    on_gpus(run, corpus, *EACH_SECOND, steps=4)
    return run


EACH_SECOND = ("trainer.checkpoint_every=2", "trainer.keep_checkpoints=-1", "trainer.async_checkpoints=false")


def test_a_resumed_run_is_the_uninterrupted_one(whole: Path, corpus: Path, tmp_path: Path) -> None:
    """To the bit: losses, weights, optimizer state; saved while training continues, not before it."""
    run, asynchronous = tmp_path / "run", (*EACH_SECOND, "trainer.async_checkpoints=true")
    for steps in (2, 4):
        on_gpus(run, corpus, *asynchronous, steps=steps)
    assert curve(run) == curve(whole)
    for step in (2, 4):
        assert differences(run / "checkpoints" / f"step={step}", whole / "checkpoints" / f"step={step}") == []


def test_a_checkpoint_of_two_gpus_goes_on_on_one(whole: Path, corpus: Path, tmp_path: Path) -> None:
    """The sharded state of the optimizer is dealt out again."""
    run = tmp_path / "run"
    on_gpus(run, corpus, "trainer.checkpoint_every=2", ranks=2, steps=2)
    assert on_gpus(run, corpus, steps=4) == pytest.approx(curve(whole), rel=0, abs=5e-3)


def test_cpu_and_gpu_recipes_read_one_anothers_checkpoints(whole: Path, corpus: Path, tmp_path: Path) -> None:
    """Through Hugging Face, to a GPU, and to a CPU: the same tensors, and the next loss."""
    saved = whole / "checkpoints" / "step=4"
    exported, back, again = tmp_path / "hf", tmp_path / "nemo", tmp_path / "again"
    convert(saved, exported, "hf")
    convert(exported, back, "nemo")
    convert(back, again, "hf")
    tensors, others = (load_file(folder / "model.safetensors") for folder in (exported, again))
    assert tensors.keys() == others.keys()
    assert all(bool((tensors[name] == others[name]).all()) for name in tensors)

    gpu = on_gpus(tmp_path / "gpu", corpus, f"init_from={saved}", config="finetune_tiny", steps=1)
    for name, source in (("converted", back), ("exported", exported)):
        run = tmp_path / f"gpu_{name}"
        assert on_gpus(run, corpus, f"init_from={source}", config="finetune_tiny", steps=1) == gpu
    cpu = trained(tmp_path / "cpu", corpus, "finetune_tiny", f"init_from={saved}", steps=1)
    assert cpu == pytest.approx(gpu, rel=0, abs=2e-2)


def test_adapters_of_a_gpu_are_exported(whole: Path, corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    start = f"init_from={whole / 'checkpoints' / 'step=4'}"
    on_gpus(run, corpus, start, "lora.dim=8", "optimizer.lr=0.01", config="finetune_tiny")
    convert(run, tmp_path / "merged", "hf")
    convert(whole, tmp_path / "base", "hf")
    merged, base = (load_file(tmp_path / name / "model.safetensors") for name in ("merged", "base"))
    assert merged.keys() == base.keys()
    changed = {name for name in base if not bool((merged[name] == base[name]).all())}
    assert changed == {name for name in base if "_proj" in name}


@pytest.mark.parametrize("precision", ["fp8_delayed", "fp8_current"])
def test_fp8_checkpoints_are_converted(precision: str, corpus: Path, tmp_path: Path) -> None:
    """With the scales in `_extra_state`, which are left out; the weights are near those of a bf16 run."""
    exported = {}
    for name, values in {"fp8": (f"precision={precision}",), "bf16": ()}.items():
        on_gpus(tmp_path / name, corpus, *values)
        convert(tmp_path / name, tmp_path / f"{name}_hf", "hf")
        exported[name] = load_file(tmp_path / f"{name}_hf" / "model.safetensors")
    assert exported["fp8"].keys() == exported["bf16"].keys()
    for key, weight in exported["bf16"].items():
        difference = (exported["fp8"][key].float() - weight.float()).abs().max()
        assert float(difference) <= 0.1 * float(weight.float().abs().max()), key


def convert(source: Path, out: Path, form: str) -> None:
    result = CliRunner().invoke(app, ["convert", str(source), str(out), "--to", form], catch_exceptions=False)
    assert result.exit_code == 0, result.output
