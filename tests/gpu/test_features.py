"""What a run can be told to do, on an emulated GPU and on the CPU, from one checkpoint: the same losses.

The GPU recipe computes in bf16 with Transformer Engine's layers, the CPU recipe in fp32 with local ones.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from gpu_cases import TINY, on_gpus
from nemo_process import train
from parallel_cases import RATES

NEAR_FP32 = 2e-2
STEPS = 3
FEATURES: dict[str, tuple[str, ...]] = {
    "packed documents": ("dataset.mode=packed", "dataset.micro_batch_size=2"),
    "windows": ("dataset.mode=window", "dataset.stride=32"),
    "loss weights and both strands": ("dataset.soft_mask_weight=0.25", "dataset.reverse_complement=true"),
    "z-loss": ("optimizer.z_loss=0.05",),
    "recomputation": ("parallelism.recompute_layers=2",),
    "adapters": ("lora.dim=8", "optimizer.lr=0.01"),
    "adapters with recomputation": ("lora.dim=8", "optimizer.lr=0.01", "parallelism.recompute_layers=4"),
    "a step left out": ("guards.skip_steps=[2]",),
}
ON_A_GPU = {
    "gradients summed in fp32": ("precision.grad_reduce_in_fp32=true",),
    "moments in bf16": ("precision.moments=bfloat16",),
    "the plain optimizer": ("parallelism.precision_aware_optimizer=false",),
    "no sharded optimizer": ("parallelism=plain",),
}
"""Settings of the GPU recipe that change how the same numbers are kept."""


ALONE = ("recomputation", "adapters")
"""At length: every time, they are tried together."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.torture) if name in ALONE else name for name in FEATURES]
)
def test_a_feature_does_what_it_does_on_a_cpu(name: str, start: str, corpus: Path, tmp_path: Path) -> None:
    values = (start, *FEATURES[name])
    expected = on_the_cpu(tmp_path / "cpu", corpus, *values)
    on_gpus(tmp_path / "gpu", corpus, *values, config="finetune_tiny")
    found = lines(tmp_path / "gpu")
    assert [line.keys() for line in found] == [line.keys() for line in expected]
    for one, other in zip(found, expected, strict=True):
        for key in ("loss", "validation_loss", "bits_per_base"):
            if key in one:
                assert one[key] == pytest.approx(other[key], rel=0, abs=NEAR_FP32), (key, one["step"])
        assert one.get("grad_norm", 0) == pytest.approx(other.get("grad_norm", 0), rel=0.1)
        assert one.get("bases") == other.get("bases")


def test_packed_documents_over_context_parallel_gpus(start: str, corpus: Path, tmp_path: Path) -> None:
    """Transformer Engine's ring of keys and values, document by document."""
    values = (start, "dataset.mode=packed")
    expected = [line["loss"] for line in on_the_cpu(tmp_path / "cpu", corpus, *values) if "loss" in line]
    ranks = ("parallelism.context=2", "dataset.micro_batch_size=2")
    losses = on_gpus(tmp_path / "gpu", corpus, *values, *ranks, config="finetune_tiny", ranks=2)
    assert losses == pytest.approx(expected, rel=0, abs=NEAR_FP32)


@pytest.mark.parametrize("name", ON_A_GPU)
def test_how_numbers_are_kept_changes_little(
    name: str, one_gpu: dict[str, list[float]], start: str, corpus: Path, tmp_path: Path
) -> None:
    losses = on_gpus(tmp_path / "run", corpus, start, *ON_A_GPU[name], config="finetune_tiny")
    assert losses == pytest.approx(one_gpu["bf16"], rel=0, abs=5e-3)


def test_fp8_weights_under_adapters(start: str, corpus: Path, tmp_path: Path) -> None:
    """Frozen weights in FP8, trained adapters in bf16."""
    adapters = (start, "lora.dim=8", "optimizer.lr=0.01")
    expected = on_the_cpu(tmp_path / "cpu", corpus, *adapters)
    losses = on_gpus(tmp_path / "gpu", corpus, *adapters, "precision=fp8_delayed", config="finetune_tiny")
    assert losses == pytest.approx([line["loss"] for line in expected if "loss" in line], rel=0, abs=NEAR_FP32)


def on_the_cpu(run: Path, corpus: Path, *overrides: str) -> list[dict[str, Any]]:
    values = (f"run_dir={run}", f"dataset.corpus={corpus}", f"trainer.max_steps={STEPS}", "dataset.global_batch_size=4")
    log = run.with_suffix(".log")
    assert train("--config-name", "finetune_tiny", *values, *RATES, *TINY, *overrides, log=log) == 0, log.read_text()[
        -3000:
    ]
    return lines(run)


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
