"""Optimizer state that cannot be resharded for a run's layout is refused with an error before anything is built."""

import dataclasses
import shutil
from pathlib import Path

import pytest
from nemo_process import nemo
from parallel_cases import VALUES, trained
from resume_cases import SYNCHRONOUS, arguments

from configs.compose import compose_config
from foundation.errors import InputError
from launch.preflight.examine import examine
from training.checkpointing.same_layout import OptimizerLayout, check_same_layout, layout_of

DISTRIBUTED = "parallelism.distributed_optimizer=true"
REFUSED = {
    "sharded": ([DISTRIBUTED, "parallelism.tensor=2"], [DISTRIBUTED, "parallelism.pipeline=2"], []),
    "whole": ([DISTRIBUTED], [DISTRIBUTED, "parallelism.tensor=2"]),
}
TAKEN = {
    "sharded": ([DISTRIBUTED], [DISTRIBUTED, "parallelism.context=2"], [DISTRIBUTED, "hardware.devices=2"]),
    "whole": ([], ["parallelism.tensor=2"], ["parallelism.pipeline=2"], ["parallelism.context=2"]),
}
"""By what the checkpoint is of: the distributed optimizer, or the plain one. `tests/training/test_parallel.py` and
`tests/gpu/test_checkpoints.py` go on from such."""


@pytest.fixture(scope="module")
def sharded(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps with the distributed optimizer."""
    run = tmp_path_factory.mktemp("sharded") / "run"
    trained(run, corpus, "train_tiny", DISTRIBUTED, steps=3)
    return run


@pytest.fixture
def runs(sharded: Path, whole: Path) -> dict[str, Path]:
    return {"sharded": sharded, "whole": whole}


@pytest.mark.parametrize(("name", "values"), [(name, values) for name, each in REFUSED.items() for values in each])
def test_a_layout_that_cannot_load_it_is_refused(
    name: str, values: list[str], runs: dict[str, Path], corpus: Path
) -> None:
    config = compose_config("train_tiny", [f"run_dir={runs[name]}", *values])
    with pytest.raises(InputError) as error:
        check_same_layout(runs[name] / "checkpoints", layout_of(config))
    assert error.value.kind == "optimizer-layout"
    assert error.value.where == runs[name] / "checkpoints" / f"step={3 if name == 'sharded' else 6}"
    before = OptimizerLayout(tensor=1, pipeline=1, distributed=name == "sharded")
    assert error.value.problem == f"its optimizer state is that of {before}, but this run has {layout_of(config)}"
    assert f"parallelism.distributed_optimizer={str(before.distributed).lower()} (data" in error.value.fix


@pytest.mark.parametrize(("name", "values"), [(name, values) for name, each in TAKEN.items() for values in each])
def test_a_layout_that_can_is_not(name: str, values: list[str], runs: dict[str, Path]) -> None:
    config = compose_config("train_tiny", [f"run_dir={runs[name]}", *values])
    check_same_layout(runs[name] / "checkpoints", layout_of(config))


def test_state_that_is_stored_whole_may_be_cut_anew(sharded: Path, tmp_path: Path) -> None:
    """As with NeMo's `ckpt_optim_fully_reshardable`; and where nothing tells, nothing is refused."""
    checkpoints = Path(shutil.copytree(sharded / "checkpoints", tmp_path / "checkpoints"))
    here = checkpoints / "step=3"
    other = OptimizerLayout(tensor=2, pipeline=2, distributed=True)
    names = (here / "weights" / ".metadata").read_bytes()
    (here / "weights" / ".metadata").write_bytes(names.replace(b"optimizer.distributed.dp_", b"optimizer.state.dp_"))
    check_same_layout(checkpoints, other)
    (here / "weights" / ".metadata").write_bytes(names)
    with pytest.raises(InputError):
        check_same_layout(checkpoints, other)
    (here / "context" / "model.yaml").write_text("config: {}\n")
    check_same_layout(checkpoints, other)
    check_same_layout(tmp_path / "none", dataclasses.replace(other, tensor=4))


def test_both_front_doors_and_the_doctor_refuse_it(sharded: Path, corpus: Path, tmp_path: Path) -> None:
    """NeMo's before the model is built."""
    values = (f"run_dir={sharded}", f"dataset.corpus={corpus}", "trainer.max_steps=9", *VALUES)
    found = {one.what: one for one in examine("train_tiny", values)}
    assert found["optimizer state"].status == "will not work"
    assert "this run has tensor 1, pipeline 1 and the plain optimizer" in found["optimizer state"].found
    assert "checkpoints" in found
    run, log = Path(shutil.copytree(sharded, tmp_path / "run", symlinks=True)), tmp_path / "log"
    assert nemo(*arguments(run, corpus, 4, asynchronous=SYNCHRONOUS), log=log) != 0
    assert "its optimizer state is that of tensor 1, pipeline 1 and the distributed optimizer" in log.read_text()
    assert "number of parameters on" not in log.read_text()
