"""The GPU benchmark's dry run: the code that a GPU will run, tiny and on the CPU."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmark_cases import dry_run, settings_of_the_8b
from nemo_process import run_in_process

from benchmarks.gpu.driver import run_parts
from benchmarks.gpu.parts import PARTS, Part
from benchmarks.gpu.settings import fitting, with_layers, with_recomputation
from benchmarks.gpu.timing import LEAST
from conduct.errors import InputError
from configs.quick import quick_config


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("gpu")
    assert run_in_process(dry_run, out, log=out / "log") == 0, (out / "log").read_text()[-3000:]
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    found["text"] = (out / "results.md").read_text()
    return found


def test_every_part_that_needs_no_gpu_ran(results: dict[str, Any]) -> None:
    ran = {name for name, part in results["parts"].items() if part["status"] == "ok"}
    assert ran == {"ceilings", "agreement bf16", "ours bf16", "ours bf16, 16 layers", "transformers bf16, 16 layers"}
    skipped = {name: part["reason"] for name, part in results["parts"].items() if part["status"] == "skipped"}
    assert ran | skipped.keys() == {part.name for part in PARTS}
    assert set(skipped.values()) == {"FP8 needs a GPU", "Transformer Engine needs a GPU"}


def test_the_recipes_model_is_the_peers_in_fp32(results: dict[str, Any]) -> None:
    check = results["parts"]["agreement bf16"]["result"]
    assert check["rms_error"] < 1e-5
    assert check["loss"] == pytest.approx(check["loss_fp32"], rel=0, abs=1e-5)


def test_steps_are_timed_and_train(results: dict[str, Any]) -> None:
    ours = results["parts"]["ours bf16"]["result"]
    step = ours["milliseconds"]["total"]
    assert step["steps"] >= LEAST
    assert 0 < step["min"] <= step["median"] <= step["max"]
    assert ours["tokens_per_second"] == pytest.approx(64 / step["median"] * 1e3)
    assert ours["first_loss"] == pytest.approx(5.5, abs=0.3)  # ln 256
    assert ours["causal"]["tflops"] * 1e12 == pytest.approx(
        ours["tokens_per_second"] * ours["causal"]["gflop_per_token"] * 1e9
    )
    assert ours["causal"]["gflop_per_token"] < ours["full"]["gflop_per_token"]


def test_the_report_says_where_it_is_from(results: dict[str, Any]) -> None:
    header = results["header"]
    assert header["versions"]["megatron-core"] == "0.15.3"
    assert header["gpu"] is None
    assert "No GPU: a dry run" in results["text"]
    assert "| ours bf16 | 4 |" in results["text"]
    assert "ms a layer by the difference to 2 layers" in results["text"]


def test_a_failed_part_loses_nothing(tmp_path: Path) -> None:
    parts = [
        Part(name=name, measure=measure, precision="bf16", seconds=20)
        for name, measure in (("good", _good), ("bad", _bad), ("gone", _gone), ("slow", _slow))
    ]
    parts[3] = Part(name="slow", measure=_slow, precision="bf16", seconds=0.5)
    results: dict[str, Any] = {"header": {"date": "today", "gpu": None, "versions": {}}, "parts": {}}
    assert not run_parts(parts, {"bf16": {}}, results, tmp_path, device="cpu", seconds=60)
    written = json.loads((tmp_path / "results.json").read_text())["parts"]
    assert written["good"]["result"] == {"found": 1}
    assert {name: part["status"] for name, part in written.items() if name != "good"} == dict.fromkeys(
        ("bad", "gone", "slow"), "failed"
    )
    assert written["bad"]["reason"] == "ValueError: no luck"
    assert "exit status 3" in written["gone"]["reason"]
    assert "not done after" in written["slow"]["reason"]
    late: dict[str, Any] = {**results, "parts": {}}
    assert not run_parts(parts[:1], {"bf16": {}}, late, tmp_path, device="cpu", seconds=0)
    assert late["parts"]["good"]["reason"] == "the 0 s were over"


@pytest.mark.parametrize(
    ("gpu", "precision", "moments", "recomputed", "layers"),
    [
        ("h200", "bf16", "float32", 0, 32),
        ("h200", "fp8_current", "float32", 0, 32),
        ("h100", "bf16", "bfloat16", 26, 32),
        ("h100", "fp8_current", "bfloat16", 24, 28),
    ],
)
def test_what_fits_is_decided_by_the_plan(gpu: str, precision: str, moments: str, recomputed: int, layers: int) -> None:
    overrides, deep = fitting(gpu, precision)
    config = quick_config("train_8b_opengenome2", overrides)
    assert (config.precision.moments, config.parallelism.recompute_layers, deep) == (moments, recomputed, layers)
    with pytest.raises(InputError, match="fp8=delayed on a100"):
        fitting("a100", "fp8_delayed")


def test_settings_are_those_that_megatron_reads(tmp_path: Path) -> None:
    """The dataclasses take them, and fields of the recipe arrive. Transformer Engine itself is not here."""
    out = tmp_path / "settings.json"
    assert run_in_process(settings_of_the_8b, "h100", out, log=tmp_path / "log") == 0, (tmp_path / "log").read_text()
    settings = json.loads(out.read_text())
    bf16 = settings["bf16"]
    assert bf16["transformer"]["num_layers"] == 32
    assert bf16["transformer"]["apply_rope_fusion"]
    assert bf16["transformer"]["params_dtype"] == "torch.bfloat16"
    assert bf16["optimizer"]["use_precision_aware_optimizer"]
    assert bf16["model"] | {"vocab_size": 256, "seq_length": 8192, "rotary_base": 500_000} == bf16["model"]
    eight_bit = settings["fp8_current"]["transformer"]
    assert (eight_bit["fp8"], eight_bit["fp8_recipe"], eight_bit["num_layers"]) == ("hybrid", "tensorwise", 28)
    half = with_layers(bf16, 16)["transformer"]
    assert half["num_layers"] == 16
    assert half["recompute_num_layers"] == bf16["transformer"]["recompute_num_layers"] // 2
    more = with_recomputation(bf16, 4)
    assert more is not None
    assert more["transformer"]["recompute_num_layers"] == bf16["transformer"]["recompute_num_layers"] + 4
    assert with_recomputation(with_recomputation(bf16, 32) or {}, 4) is None


def _good(settings: Any, device: str, seconds: float) -> dict[str, Any]:
    return {"found": 1}


def _bad(settings: Any, device: str, seconds: float) -> dict[str, Any]:
    raise ValueError("no luck")


def _gone(settings: Any, device: str, seconds: float) -> dict[str, Any]:
    import os

    os._exit(3)


def _slow(settings: Any, device: str, seconds: float) -> dict[str, Any]:
    import time

    time.sleep(60)
    return {}
