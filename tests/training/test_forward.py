"""What the model sees and what it learns from: documents by themselves, and every weight to the last hundredth."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import prepare
from forward_cases import loss_and_gradient_are_of_the_weighted_mean, packed_documents_are_alone
from nemo_process import run_in_process


def test_packed_documents_are_alone(tmp_path: Path) -> None:
    """Through the real Megatron model: logits of a packed sample are those of its documents, each run by itself."""
    out, log = tmp_path / "report.json", tmp_path / "log"
    assert run_in_process(packed_documents_are_alone, out, log=log) == 0, log.read_text()[-3000:]
    report = json.loads(out.read_text())
    assert report["alone"] < 1e-5
    assert report["untouched"] == 0
    assert report["changed"] > 1e-2  # the document that was changed
    assert report["concatenated"] > 1e-2  # without packing, documents do see those before them


@pytest.fixture(scope="module")
def soft_masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus whose documents differ much in how much of them is soft-masked."""
    folder, random = tmp_path_factory.mktemp("soft_masked"), np.random.default_rng(3)
    with open(folder / "genome.fa", "wb") as file:
        for number in range(60):
            letters = np.frombuffer(b"ACGTacgtN", np.uint8)
            share = random.random() ** 3
            chances = [share / 4] * 4 + [(0.9 - 0.9 * share) / 4] * 4 + [0.1 - 0.1 * share]
            file.write(b">%d\n%s\n" % (number, random.choice(letters, size=150, p=chances).tobytes()))
    prepare([folder / "genome.fa"], folder / "corpus", validation_fraction=0.4)
    return folder / "corpus"


@pytest.mark.parametrize("mode", ["window", "packed"])
def test_fractional_weights_are_exact(soft_masked: Path, tmp_path: Path, mode: str) -> None:
    """Loss and gradient of a step are of sum(w * l) / sum(w) over the global batch; validation, over all of it."""
    out, log, run = tmp_path / "report.json", tmp_path / "log", tmp_path / "run"
    overrides = [
        f"run_dir={run}",
        f"dataset.mode={mode}",
        "dataset.soft_mask_weight=0.13",
        "dataset.sequence_length=40",
        "dataset.micro_batch_size=2",
        "dataset.global_batch_size=8",
        "trainer.max_steps=1",
        "trainer.validate_every=1",
        "trainer.validation_batches=3",
        "trainer.checkpoint_every=100",
    ]
    arguments: tuple[Any, ...] = (str(soft_masked), str(run), overrides, out)
    status = run_in_process(loss_and_gradient_are_of_the_weighted_mean, *arguments, log=log)
    assert status == 0, log.read_text()[-3000:]
    report = json.loads(out.read_text())
    assert report["micro_batches"] == {"train": 4, "validation": 12, "alone": 12}
    assert max(report["weights"]) > 1.5 * min(report["weights"])
    assert any(weight % 1 for weight in report["weights"])
    assert report["mean_of_means"] != pytest.approx(report["train_by_hand"], rel=1e-5)  # so the test can fail
    assert report["loss"] == pytest.approx(report["train_by_hand"], rel=1e-6)
    assert report["validation_mean_of_steps"] != pytest.approx(report["validation_by_hand"], rel=1e-4)
    assert report["validation_loss"] == pytest.approx(report["validation_by_hand"], rel=1e-6)
    assert report["val_loss"] == pytest.approx(report["validation_by_hand"], rel=1e-6)
    assert report["alone"] == pytest.approx(report["alone_by_hand"], rel=1e-6)
    assert report["lines"] == 2  # training and validation: one by itself is none of the run's
    assert scalars(run, "validation/loss") == [pytest.approx(report["validation_by_hand"], rel=1e-6)]
    assert f"validation loss {report['validation_by_hand']:.4f} nats/token" in log.read_text()
    assert report["grad_norm"] == pytest.approx(report["grad_norm_by_hand"], rel=1e-5)


def scalars(run: Path, name: str) -> list[float]:
    """What TensorBoard has under `name`."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return [event.value for event in events.Scalars(name)]
