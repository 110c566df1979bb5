"""Models at full size, on ranks of 8, 64 and 512, traced under fake tensors: what they hold is what is planned."""

import json
from pathlib import Path

import pytest
from gpu_process import run_with_engine
from trace_cases import write_trace

from benchmarks.emulated_gpu.cases import CASES

DEFAULT = CASES[:1]
"""The 8B; the others are at length."""


@pytest.mark.parametrize(
    "case", [case if case in DEFAULT else pytest.param(case, marks=pytest.mark.torture) for case in CASES]
)
def test_a_step_holds_what_is_planned(case: tuple[object, ...], tmp_path: Path) -> None:
    """Weights, gradients and optimizer state to a hundredth; activations and the peak to a twentieth."""
    name, gpus, *overrides = case
    out, log = tmp_path / "traced.json", tmp_path / "log"
    assert run_with_engine(write_trace, name, gpus, overrides, 0, out, log=log) == 0, log.read_text()[-3000:]
    found = json.loads(out.read_text())
    plan = found["plan"]
    for part in ("weights", "gradients", "optimizer"):
        assert found[part] == pytest.approx(plan[part], rel=0.01), part
    state = sum(plan[part] for part in ("weights", "gradients", "optimizer"))
    planned = state + plan["activations"] + plan["logits"] + plan["workspace"]
    assert found["peak"] == pytest.approx(planned, rel=0.05)
    assert found["peak"] - state == pytest.approx(planned - state, rel=0.05)
    if name == "train_8b_opengenome2" and gpus == 8 and not overrides:
        assert found["parameters"] == 6_981_685_248
