"""GPU layouts on two processes compute what one GPU computes: Transformer Engine layers, started from one checkpoint.

Kernels and collectives are emulated; layers, buffers, optimizer and schedules are Megatron-Core's own. Losses are those
of bf16 and FP8, which round differently where sums are cut into two.
"""

import itertools
from pathlib import Path

import pytest
from gpu_cases import on_gpus
from parallel_cases import trained

from scripts.support_page import TWO_PROCESSES

CLOSE = 1e-3
NEAR_FP32 = 2e-2
"""How far bf16 and FP8 may be from fp32 after two updates; each step changes the loss by a tenth and more."""
FP8 = ("fp8_delayed", "fp8_current")
ALWAYS = {
    *((name, "bf16") for name in TWO_PROCESSES if name != "tensor 2"),
    ("tensor 2, sequence parallel", "fp8_delayed"),
    ("context 2", "fp8_current"),
}
"""Each layout in bf16, and each FP8 scaling under one of those that cut what is scaled; the rest is at length."""
CASES = [
    pytest.param(*case, marks=[] if case in ALWAYS else pytest.mark.torture)
    for case in itertools.product(TWO_PROCESSES, ("bf16", *FP8))
]


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_layout_gives_the_curve_of_one_gpu(
    name: str, precision: str, one_gpu: dict[str, list[float]], start: str, corpus: Path, tmp_path: Path
) -> None:
    values = [start, f"precision={precision}", *TWO_PROCESSES[name]]
    if precision in FP8:
        values.append("precision.fp8_parameters=false")
    losses = on_gpus(tmp_path / "run", corpus, *values, config="finetune_tiny", ranks=2)
    assert losses == pytest.approx(one_gpu[precision], rel=0, abs=0 if name == "pipeline 2" else CLOSE)


def test_one_gpu_gives_the_curve_of_the_cpu_recipe(
    one_gpu: dict[str, list[float]], start: str, corpus: Path, tmp_path: Path
) -> None:
    """In bf16, and in FP8 of both scalings, against fp32 with local layers and PyTorch's AdamW."""
    expected = trained(tmp_path / "cpu", corpus, "finetune_tiny", start, steps=3)
    for losses in one_gpu.values():
        assert losses == pytest.approx(expected, rel=0, abs=NEAR_FP32)
        assert losses != expected
    assert expected[0] - expected[2] > 10 * NEAR_FP32


@pytest.mark.torture
def test_recomputed_layers_under_tensor_parallelism(
    one_gpu: dict[str, list[float]], start: str, corpus: Path, tmp_path: Path
) -> None:
    """The layout of 128k tokens, beside context parallelism."""
    layout = (*TWO_PROCESSES["tensor 2, sequence parallel"], "parallelism.recompute_layers=2")
    losses = on_gpus(tmp_path / "run", corpus, start, *layout, config="finetune_tiny", ranks=2)
    assert losses == pytest.approx(one_gpu["bf16"], rel=0, abs=CLOSE)
