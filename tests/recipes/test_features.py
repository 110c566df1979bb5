"""Initial weights, weight decay, clipping, z-loss, bits per base: looked up in a real step, or worked out by hand."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from feature_cases import watch_one_step
from nemo_process import run_in_process
from parallel_cases import curve, trained

from configs.compose import compose_config

Z_LOSS = 0.02


@pytest.fixture(scope="module")
def other(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same corpus under another name, for blends."""
    return Path(shutil.copytree(corpus, tmp_path_factory.mktemp("blend") / "other"))


@pytest.fixture(scope="module")
def run(corpus: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One step on a blend, watched."""
    folder = tmp_path_factory.mktemp("watched")
    overrides = [
        f"run_dir={folder}/run",
        f"dataset.corpus=[{{corpus: {corpus}, weight: 0.4}}, {{corpus: {other}, weight: 0.8}}]",
        "dataset.mode=window",  # so that some labels have no weight
        "dataset.sequence_length=48",
        "dataset.micro_batch_size=2",
        "dataset.global_batch_size=8",
        "trainer.max_steps=1",
        "trainer.validate_every=1",
        "trainer.validation_batches=1",
        "trainer.checkpoint_every=100",
        "optimizer.embedding_init_std=0.5",
        "optimizer.weight_decay=0.07",
        "optimizer.clip_grad=0.25",
        f"optimizer.z_loss={Z_LOSS}",
    ]
    log = folder / "log"
    assert run_in_process(watch_one_step, overrides, folder / "report.json", log=log) == 0, log.read_text()[-3000:]
    return folder / "run"


@pytest.fixture(scope="module")
def report(run: Path) -> dict[str, Any]:
    return dict(json.loads((run.parent / "report.json").read_text()))


@pytest.fixture(scope="module")
def lines(run: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The training line and the validation line."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (training,), (validation,) = [row for row in rows if "loss" in row], [r for r in rows if "validation_loss" in r]
    return training, validation


def test_initial_weights(report: dict[str, Any]) -> None:
    """Embeddings as configured (Spike No More), residual outputs 0.02 / sqrt(2 layers), all else 0.02, norms 1."""
    for name, std in report["std"].items():
        expected = 0.02
        if "word_embeddings" in name:
            expected = 0.5
        elif "linear_proj" in name or "linear_fc2" in name:
            expected = 0.02 / math.sqrt(2 * 4)
        elif "layernorm" in name or "layer_norm" in name:
            expected = 0.0
            assert report["mean"][name] == 1.0
        assert std == pytest.approx(expected, rel=0.02), name
    assert len(report["std"]) == 4 * 6 + 3
    assert compose_config("train_8b_opengenome2").optimizer.embedding_init_std == 1.0


def test_weight_decay_is_for_matrices_alone(report: dict[str, Any]) -> None:
    """Every parameter of the model is in a group of the optimizer; norms and the embedding are in the one without."""
    assert report["weight_decay"].keys() == report["std"].keys()
    for name, decay in report["weight_decay"].items():
        assert decay == (0.0 if "norm" in name or "word_embeddings" in name else 0.07), name
    assert report["weight_decay"]["output_layer.weight"] == 0.07


def test_gradients_are_clipped_to_the_norm(report: dict[str, Any], lines: Any) -> None:
    assert lines[0]["grad_norm"] > 0.25  # before clipping
    assert report["clipped_norm"] == pytest.approx(0.25, rel=1e-4)


def test_z_loss_is_in_the_gradient_and_not_in_the_loss(report: dict[str, Any], lines: Any) -> None:
    assert lines[0]["loss"] == pytest.approx(report["loss"], rel=1e-6)
    assert lines[0]["grad_norm"] == pytest.approx(report["grad_norm"], rel=1e-5)
    assert Z_LOSS * report["penalty"] > 0.1  # log(256)^2 is 31: the test could fail


def test_bits_per_base_are_of_every_base_alike(report: dict[str, Any], lines: Any) -> None:
    training, validation = lines
    by_hand = report["by_hand"]
    assert training["bits_per_base"] == pytest.approx(by_hand["train"]["all"]["bits"], rel=1e-6)
    assert training["bases"] == by_hand["train"]["all"]["bases"] < training["tokens"] == 8 * 48
    assert validation["validation_bits_per_base"] == pytest.approx(by_hand["validation"]["all"]["bits"], rel=1e-6)
    assert validation["validation_bits_per_base_by_source"] == {
        "corpus": pytest.approx(by_hand["validation"]["0"]["bits"], rel=1e-6),
        "other": pytest.approx(by_hand["validation"]["1"]["bits"], rel=1e-6),
    }
    assert by_hand["validation"]["0"] != by_hand["validation"]["1"]


def test_the_console_says_it(run: Path, lines: Any) -> None:
    text, (training, validation) = (run.parent / "log").read_text(), lines
    assert f"{training['bits_per_base']:.4f} bits/base" in text
    both = validation["validation_bits_per_base_by_source"]
    assert f"{validation['validation_bits_per_base']:.4f} bits/base (corpus {both['corpus']:.4f}, other" in text


def test_z_loss_and_wsd_over_two_processes_and_into_the_decay(start: str, corpus: Path, tmp_path: Path) -> None:
    """Tensor parallel 2 gives the losses of one process; then the run is led from the stable part into its decay."""
    wsd = ("optimizer.schedule=wsd", "optimizer.warmup_steps=1", "optimizer.decay_steps=2", "optimizer.z_loss=0.02")
    stable, run = (start, *wsd, "optimizer.schedule_steps=100"), tmp_path / "run"
    one = trained(run, corpus, "finetune_tiny", *stable, steps=3)
    two = trained(tmp_path / "two", corpus, "finetune_tiny", *stable, "parallelism.tensor=2", ranks=2, steps=3)
    assert two == pytest.approx(one, rel=0, abs=1e-5)
    trained(run, corpus, "finetune_tiny", start, *wsd, "optimizer.schedule_steps=5", steps=5)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rates = [row["learning_rate"] for row in rows if "loss" in row]
    halfway = 2e-4 + 1.8e-3 * (1 - math.sqrt(0.5))
    assert rates == pytest.approx([1e-3, 2e-3, 2e-3, 2e-3, halfway], rel=1e-12)
    assert curve(run)[:3] == one
