"""FP8 weights have two copies, one for the forward pass and one for the backward pass, and both are of the last update.

So are their scales, on each rank. Kernels are emulated; the code that keeps the copies is Transformer Engine's and
Megatron-Core's own.
"""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from gpu_cases import arguments, on_gpus, watch_weights
from gpu_process import BLACKWELL, HOPPER, train_on_gpus

CASES = [
    *((precision, "true") for precision in ("fp8_delayed", "fp8_current", "mxfp8")),
    *(
        pytest.param(precision, "false", marks=pytest.mark.torture)
        for precision in ("fp8_delayed", "fp8_current", "mxfp8")
    ),
]


@pytest.mark.parametrize(("precision", "aware"), CASES)
def test_both_copies_are_of_the_last_update(precision: str, aware: str, corpus: Path, tmp_path: Path) -> None:
    """While training, validating after an update, and in a run that was resumed."""
    values = (f"precision={precision}", f"parallelism.precision_aware_optimizer={aware}", "optimizer.lr=0.05")
    for steps in (3, 4):
        (seen,) = watched(tmp_path, corpus, *values, steps=steps, ranks=1)
        assert {event for event, pairs, *_ in seen if pairs} >= {"forward"}
        assert [event for event, _, differing, _ in seen if differing] == []
    assert "validation" in {event for event, *_ in seen}


@pytest.mark.parametrize(("precision", "aware"), CASES)
def test_weights_are_the_same_on_every_rank(precision: str, aware: str, corpus: Path, tmp_path: Path) -> None:
    """Each rank updates a part of them, and gathers the bytes of the others; scales are not among those."""
    values = (f"precision={precision}", f"parallelism.precision_aware_optimizer={aware}", "optimizer.lr=0.05")
    one, other = watched(tmp_path, corpus, *values, steps=3, ranks=2)
    sums = [[sums for event, _, _, sums in seen if event == "forward"] for seen in (one, other)]
    assert sums[0] == sums[1]
    assert len(sums[0]) >= 3
    assert sums[0][0] != sums[0][-1]
    assert [event for event, _, differing, _ in one if differing] == []


def test_a_resumed_run_in_fp8_is_as_an_uninterrupted_one(corpus: Path, tmp_path: Path) -> None:
    """Delayed scaling, weights in FP8, and the precision-aware optimizer: every GPU layout's default."""
    values = ("precision=fp8_delayed", "parallelism.precision_aware_optimizer=true")
    whole = on_gpus(tmp_path / "whole", corpus, *values, steps=5)
    parts = [on_gpus(tmp_path / "parts", corpus, *values, steps=steps) for steps in (3, 5)]
    assert parts[-1] == whole


def watched(folder: Path, corpus: Path, *values: str, steps: int, ranks: int) -> list[list[Any]]:
    """What `watch_weights` saw on each rank."""
    capability = BLACKWELL if values[0] == "precision=mxfp8" else HOPPER
    out, log = folder / f"seen_{steps}", folder / f"log_{steps}"
    words = arguments(folder / "run", corpus, *values, steps=steps, ranks=ranks, capability=capability)
    target = functools.partial(watch_weights, out)
    assert train_on_gpus(ranks, *words, log=log, capability=capability, target=target) == 0, log.read_text()[-3000:]
    return [json.loads(out.with_name(f"{out.name}.{rank}").read_text()) for rank in range(ranks)]
