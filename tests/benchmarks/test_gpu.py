"""The GPU benchmark's dry run: the code that a GPU will run, tiny and on the CPU."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmark_cases import dry_run, settings_of_the_8b
from nemo_process import run_in_process
from refusal import refused

from benchmarks.gpu.driver import run_part, run_parts
from benchmarks.gpu.parts import PARTS, Part
from benchmarks.gpu.report import cross_check
from benchmarks.gpu.settings import fitting, in_fp8_throughout, with_layers
from benchmarks.gpu.timing import LEAST
from configs.compose import compose_config


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("gpu")
    assert run_in_process(dry_run, out, log=out / "log") == 0, (out / "log").read_text()[-3000:]
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    found["text"] = (out / "results.md").read_text()
    return found


def test_every_part_that_needs_no_gpu_ran(results: dict[str, Any]) -> None:
    ran = {name for name, part in results["parts"].items() if part["status"] == "ok"}
    assert ran == {"ceilings", "agreement bf16", "ours bf16", "ours bf16, half", "transformers bf16, half"}
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
    ("gpu", "precision", "layers"),
    [
        ("h200", "bf16", 32),
        ("h200", "fp8_current", 30),
        ("h100", "bf16", 18),
        ("h100", "fp8_delayed", 16),
        ("h100", "fp8_current", 16),
    ],
)
def test_what_fits_is_decided_by_the_plan(gpu: str, precision: str, layers: int) -> None:
    overrides, deep = fitting(gpu, precision)
    config = compose_config("train_8b_opengenome2", overrides)
    assert (config.precision.moments, config.parallelism.recompute_layers, deep) == ("float32", 0, layers)
    with refused("settings-rule", names="precision.fp8=delayed"):
        fitting("a100", "fp8_delayed")


def test_a_part_that_runs_out_of_memory_is_tried_with_fewer_layers(tmp_path: Path) -> None:
    part = Part(name="large", measure=_out_of_memory, precision="bf16", seconds=60)
    found = run_part(part, {"transformer": {"num_layers": 18}}, tmp_path, device="cpu", seconds=60)
    assert found["result"] == {"layers": 10}
    hopeless = run_part(part, {"transformer": {"num_layers": 6}}, tmp_path, device="cpu", seconds=60)
    assert hopeless["reason"] == "RuntimeError: cuBLAS Error: CUBLAS_STATUS_ALLOC_FAILED"


def test_what_all_layers_would_take_is_said_to_be_no_measurement() -> None:
    results = {
        name: {
            "status": "ok",
            "result": {
                "layers": layers,
                "all_layers": 32,
                "milliseconds": {"total": {"median": 10.0 + 5 * layers}},
                "tokens_per_second": 8192e3 / (10 + 5 * layers),
            },
        }
        for name, layers in (("ours bf16", 16), ("ours bf16, half", 8))
    }
    (_, line) = cross_check(results)
    assert "5 ms a layer" in line
    assert "10 ms beside them" in line
    assert "32 layers, 16 more than fit, would take 170 ms (48,188 tokens/s): not measured" in line
    for one in results.values():
        one["result"]["all_layers"] = 16
    assert "not measured" not in cross_check(results)[1]


def test_settings_are_those_that_megatron_reads(tmp_path: Path) -> None:
    """The dataclasses take them, and fields of the recipe arrive. Transformer Engine itself is not here."""
    out = tmp_path / "settings.json"
    assert run_in_process(settings_of_the_8b, "h100", out, log=tmp_path / "log") == 0, (tmp_path / "log").read_text()
    settings = json.loads(out.read_text())
    bf16 = settings["bf16"]
    assert bf16["transformer"]["num_layers"] == 18
    assert not bf16["transformer"]["cross_entropy_loss_fusion"]
    assert bf16["transformer"]["apply_rope_fusion"]
    assert bf16["transformer"]["params_dtype"] == "torch.bfloat16"
    assert bf16["optimizer"]["use_precision_aware_optimizer"]
    assert bf16["model"] | {"vocab_size": 256, "seq_length": 8192, "rotary_base": 500_000} == bf16["model"]
    eight_bit = settings["fp8_current"]["transformer"]
    assert (eight_bit["fp8"], eight_bit["fp8_recipe"], eight_bit["num_layers"]) == ("hybrid", "tensorwise", 16)
    assert eight_bit["first_last_layers_bf16"]
    few = in_fp8_throughout(with_layers(settings["fp8_current"], 2))["transformer"]
    assert (few["num_layers"], few["first_last_layers_bf16"], few["fp8"]) == (2, False, "hybrid")


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


def _out_of_memory(settings: Any, device: str, seconds: float) -> dict[str, Any]:
    if (layers := settings["transformer"]["num_layers"]) != 10:
        raise RuntimeError("cuBLAS Error: CUBLAS_STATUS_ALLOC_FAILED")
    return {"layers": layers}
