"""The parallel layouts compute what one process computes: real runs on gloo, started from one checkpoint.

Losses are in fp32 and differ by the order of sums alone.
"""

import itertools
import shutil
from pathlib import Path

import pytest
from golden import check_golden
from parallel_cases import curve, trained

from scripts.support_page import TWO_PROCESSES

CLOSE = 1e-5


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.torture) if name == "tensor 2" else name for name in TWO_PROCESSES]
)
def test_a_layout_gives_the_curve_of_one_process(
    name: str, one_process: list[float], one_process_run: Path, start: str, corpus: Path, tmp_path: Path
) -> None:
    """And its bits per base, over as many bases. Tensor parallelism alone is at length: with sequences it does more."""
    values = ("finetune_tiny", start, *TWO_PROCESSES[name])
    assert trained(tmp_path / "run", corpus, *values, ranks=2) == pytest.approx(one_process, rel=0, abs=CLOSE)
    assert min(abs(a - b) for a, b in itertools.pairwise(one_process)) > 100 * CLOSE
    bits = curve(one_process_run, "bits_per_base")
    assert curve(tmp_path / "run", "bits_per_base") == pytest.approx(bits, rel=0, abs=2 * CLOSE)
    assert curve(tmp_path / "run", "bases") == curve(one_process_run, "bases")


def test_sharded_optimizer_state_is_saved_and_loaded(
    one_process: list[float], start: str, corpus: Path, tmp_path: Path
) -> None:
    """Three steps, a checkpoint, and two more in new processes, with gathering behind the computation."""
    values = ("finetune_tiny", start, "parallelism.distributed_optimizer=true")
    for steps in (3, 5):
        losses = trained(tmp_path / "run", corpus, *values, "parallelism.overlap=true", ranks=2, steps=steps)
    assert losses == pytest.approx(one_process, rel=0, abs=CLOSE)


@pytest.mark.parametrize(
    "layout",
    [
        "parallelism.tensor=2",
        "parallelism.pipeline=2",
        pytest.param("parallelism.distributed_optimizer=false", marks=pytest.mark.torture),
    ],
)
def test_a_checkpoint_of_one_process_goes_on_under_two(layout: str, whole: Path, corpus: Path, tmp_path: Path) -> None:
    """Weights, moments, schedule and place in the data. The last is data parallel."""
    run = tmp_path / "run"
    shutil.copytree(whole / "checkpoints" / "step=3", run / "checkpoints" / "step=3-last")
    losses = trained(run, corpus, "train_tiny", layout, ranks=2, steps=6)
    assert losses == pytest.approx(curve(whole)[3:], rel=0, abs=CLOSE)


def test_one_micro_batch_of_four_is_four_of_one(
    one_process: list[float], start: str, corpus: Path, tmp_path: Path
) -> None:
    losses = trained(tmp_path / "run", corpus, "finetune_tiny", start, "dataset.micro_batch_size=4")
    assert losses == pytest.approx(one_process, rel=0, abs=CLOSE)


def test_pretraining_has_its_golden_curve(whole: Path) -> None:
    check_golden("train_tiny", curve(whole)[:5])


def test_fine_tuning_has_its_golden_curve(one_process: list[float]) -> None:
    check_golden("finetune_tiny", one_process)
