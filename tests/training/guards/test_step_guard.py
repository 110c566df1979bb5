"""Real runs in which one sample spoils a step: it is left out, under every layout alike, or the run stops there."""

import functools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from guard_cases import spoil_losses
from nemo_process import train_over
from parallel_cases import VALUES, curve, trained
from safetensors.numpy import load_file

from corpus.samples.datasets import Cutting, train_dataset
from training.status import STOPPED

CLOSE = 1e-5
BAD = 9  # a sample of the third step, which has samples 8 to 11
LAYOUTS = {
    "data": ("parallelism.distributed_optimizer=true", "parallelism.overlap=true"),
    "tensor": ("parallelism.tensor=2",),
    "pipeline": ("parallelism.pipeline=2",),
}


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "guards" / "events.jsonl").read_text().splitlines()]


def ended(run: Path, corpus: Path, *overrides: str, ranks: int = 1, before: Any = None) -> tuple[int, str]:
    """Exit status and output of a run of six steps."""
    log = run.with_suffix(".log")
    values = (f"run_dir={run}", f"dataset.corpus={corpus}", "trainer.max_steps=6", *VALUES, *overrides)
    status = train_over(
        ranks, "--config-name", "train_tiny", f"hardware.devices={ranks}", *values, log=log, before=before
    )
    return status, log.read_text()


@pytest.fixture(scope="module")
def left_out(start: str, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses of a sound run of one process that was told to leave its third step out."""
    run = tmp_path_factory.mktemp("runs") / "left_out"
    losses = trained(run, corpus, "finetune_tiny", start, "guards.skip_steps=[3]")
    assert [(event["step"], event["finding"]) for event in events(run)] == [(3, "left out")]
    return losses


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_step_without_a_number_is_left_out(
    layout: str,
    left_out: list[float],
    one_process: list[float],
    start: str,
    corpus: Path,
    tmp_path: Path,
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    values = (start, f"run_dir={run}", f"dataset.corpus={corpus}", "trainer.max_steps=5", *VALUES, *LAYOUTS[layout])
    spoil = functools.partial(spoil_losses, {BAD: math.nan})
    status = train_over(2, "--config-name", "finetune_tiny", "hardware.devices=2", *values, log=log, before=spoil)
    assert status == 0, log.read_text()[-3000:]
    assert "warning: step 3: not finite" in log.read_text()
    losses = curve(run)
    assert losses.pop(2) is None
    assert losses == pytest.approx(left_out[:2] + left_out[3:], rel=0, abs=CLOSE)
    assert abs(left_out[3] - one_process[3]) > 100 * CLOSE  # leaving it out is seen
    check_batch(run / "guards" / "step=3", corpus)


def check_batch(folder: Path, corpus: Path) -> None:
    """Every sample of the step once, its tokens as the corpus has them, and the bad one told apart."""
    rows = {row["index"]: row for path in folder.glob("*.jsonl") for row in map(json.loads, path.open())}
    assert rows.keys() == {8, 9, 10, 11}
    assert {index for index, row in rows.items() if row["loss"] is None and row["weight"]} == {BAD}
    dataset = train_dataset(
        [corpus], [1.0], Cutting(seq_length=64), length=12, seed=1234, soft_mask_weight=0.1, markup_weight=0.0,
        reverse_complement=False,
    )  # fmt: skip
    stream = dataset.sources[0].stream
    seen = 0
    for path in folder.glob("*.safetensors"):
        tensors = load_file(path)
        for place, index in enumerate(tensors["index"].tolist()):
            example, row = dataset[index], rows[index]
            assert (tensors["tokens"][place] == example["tokens"]).all()
            assert (tensors["labels"][place] == example["labels"]).all()
            ((first, stop),) = row["spans"]
            assert stop - first == 65
            low, high = stream.starts(row["documents"][0], row["documents"][0] + 1).tolist()
            assert low <= first < high
            seen += 1
    assert seen == 4


def test_a_spike_stops_a_resumed_run(corpus: Path, tmp_path: Path) -> None:
    """The losses before the checkpoint count: three of them are the window, and one step alone came after it."""
    run, values = tmp_path / "run", ("parallelism.pipeline=2", "guards.spike=stop", "guards.spike_window=3")
    status, log = ended(run, corpus, *values, "trainer.max_steps=3", ranks=2)
    assert status == 0, log[-3000:]
    spoil = functools.partial(spoil_losses, {17: 5.0})  # of the fifth step
    status, log = ended(run, corpus, *values, ranks=2, before=spoil)
    assert status == STOPPED, log[-3000:]
    assert log.count("error: step 5: spike, loss ") == 1
    assert "Traceback" not in log
    assert (run / "guards" / "step=5" / "rank=1.jsonl").is_file()  # the last stage has the losses
    (event,) = events(run)
    assert event["loss"] > event["limit"] > max(curve(run)[:4])
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"step=3", "step=3-last"}


@pytest.mark.parametrize(
    ("rate", "step", "reason"),
    [
        ("1e30", 5, "4 of the last 128 steps were skipped, more than guards.most_skipped"),
        ("1e39", 2, "the weights are not finite"),
    ],
)
def test_skipping_has_an_end(rate: str, step: int, reason: str, corpus: Path, tmp_path: Path) -> None:
    """A learning rate that makes weights too large to compute with, or infinite, at the first step."""
    run = tmp_path / "run"
    status, log = ended(run, corpus, f"optimizer.lr={rate}", "optimizer.warmup_steps=1", "trainer.checkpoint_every=100")
    assert status == STOPPED, log[-3000:]
    assert f"error: step {step}: not finite" in log
    assert reason in log
    assert [event["action"] for event in events(run)] == [*["skip"] * (step - 2), "stop"]


def test_a_range_is_left_out_with_one_warning_and_counted_once(corpus: Path, tmp_path: Path) -> None:
    """Also if the run resumes in the middle of it."""
    run = tmp_path / "run"
    status, log = ended(run, corpus, "guards.skip_steps=[2-4]")
    assert status == 0, log[-3000:]
    assert log.count("left out") == log.count("step 2: left out") == 1
    assert ", and the steps to 4 too, as guards.skip_steps says" in log
    assert [(event["step"], event["limit"]) for event in events(run)] == [(2, None), (3, None), (4, None)]
    shutil.rmtree(run / "checkpoints" / "step=6")
    status, log = ended(run, corpus, "guards.skip_steps=[2-4]")
    assert status == 0, log[-3000:]
    assert log.count("left out") == log.count("step 4: left out") == 1
    assert [event["step"] for event in events(run) if "replaced" not in event] == [2, 3, 4]
    assert [event["step"] for event in events(run) if "replaced" in event] == [4]
