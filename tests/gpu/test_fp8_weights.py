"""FP8 weights have two copies, one for the forward pass and one for the backward pass, and both are of the last update.

Kernels are emulated; the code that keeps the copies is Transformer Engine's and Megatron-Core's own.
"""

import json
from pathlib import Path

import pytest
from gpu_cases import arguments, on_gpus, watch_weights
from gpu_process import BLACKWELL, HOPPER, run_on_gpus


@pytest.mark.parametrize("aware", ["true", "false"])
@pytest.mark.parametrize("precision", ["fp8_delayed", "fp8_current", "mxfp8"])
def test_both_copies_are_of_the_last_update(precision: str, aware: str, corpus: Path, tmp_path: Path) -> None:
    """While training, validating after an update, and in a run that was resumed."""
    capability = BLACKWELL if precision == "mxfp8" else HOPPER
    values = (f"precision={precision}", f"parallelism.precision_aware_optimizer={aware}", "optimizer.lr=0.05")
    for steps in (3, 4):
        out, log = tmp_path / f"{steps}.json", tmp_path / f"{steps}.log"
        words = arguments(tmp_path / "run", corpus, *values, steps=steps, capability=capability)
        assert run_on_gpus(watch_weights, words, out, log=log, capability=capability) == 0, log.read_text()[-3000:]
        seen = json.loads(out.read_text())
        assert {event for event, pairs, _ in seen if pairs} >= {"forward"}
        assert [one for one in seen if one[2]] == []
    assert "validation" in {event for event, *_ in seen}


def test_a_resumed_run_in_fp8_is_as_an_uninterrupted_one(corpus: Path, tmp_path: Path) -> None:
    """Delayed scaling, weights in FP8, and the precision-aware optimizer: every GPU layout's default."""
    values = ("precision=fp8_delayed", "parallelism.precision_aware_optimizer=true")
    whole = on_gpus(tmp_path / "whole", corpus, *values, steps=5)
    parts = [on_gpus(tmp_path / "parts", corpus, *values, steps=steps) for steps in (3, 5)]
    assert parts[-1] == whole
