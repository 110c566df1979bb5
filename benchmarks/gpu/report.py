"""What a run found, as JSON that says where it is from, and as tables to read."""

import json
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from foundation.atomic import atomic_file

PACKAGES = ("torch", "transformer-engine", "megatron-core", "nemo-toolkit", "transformers", "genomic-llama")


def header(arguments: dict[str, Any]) -> dict[str, Any]:
    """Date, card and driver, versions, and how it was called."""
    return {
        "benchmark": "benchmarks.gpu",
        "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "arguments": arguments,
        "gpu": _nvidia_smi("name,driver_version,memory.total,clocks.max.sm,power.limit"),
        "machine": {"python": platform.python_version(), "system": platform.platform()},
        "versions": {name: _version(name) for name in PACKAGES},
        "conventions": {
            "model FLOPs of a token": "6 N + 12 L H S c; training/metrics/flops.py; c is 1/2 (causal) or 1 (full)",
            "MFU": "model FLOPs over the dense peak of the precision's data sheet; recomputation is not counted",
            "step": "one micro-batch of one sequence: forward, backward, clipping, optimizer; random tokens",
        },
    }


def write(results: dict[str, Any], out: Path) -> None:
    """`results.json` and `results.md` in `out`, each whole or not there."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (("results.json", json.dumps(results, indent=2) + "\n"), ("results.md", markdown(results))):
        with atomic_file(out / name) as path:
            path.write_text(text, encoding="utf-8")


def markdown(results: dict[str, Any]) -> str:
    """The tables."""
    head, parts = results["header"], results["parts"]
    versions = ", ".join(f"{name} {value}" for name, value in head["versions"].items() if value)
    lines = [f"# Training on one GPU, {head['date']}", "", f"{head['gpu'] or 'No GPU: a dry run'}. {versions}.", ""]
    columns = ("part", "layers", "step, ms (lowest to highest)", "tokens/s", "causal TFLOP/s", "causal MFU")
    lines += [f"| {' | '.join((*columns, 'full MFU', 'memory, GiB'))} |", "| --- |" + " ---: |" * 7]
    lines += [_step_row(name, part["result"]) for name, part in parts.items() if "causal" in part.get("result", {})]
    lines += ["", "| check against fp32 | rms error of the logits | limit | loss | loss in fp32 |"]
    lines += ["| --- | ---: | ---: | ---: | ---: |"]
    for name, part in parts.items():
        if "rms_error" in (one := part.get("result", {})):
            lines.append(
                f"| {name} | {one['rms_error']:.2e} | {one['limit']:g} | {one['loss']:.4f} | {one['loss_fp32']:.4f} |"
            )
    for one in (part["result"] for part in parts.values() if "copy" in part.get("result", {})):
        lines += ["", "| product | bf16, TFLOP/s | FP8, TFLOP/s |", "| --- | ---: | ---: |"]
        for name, found in one["matmul_tflops"].items():
            eight = f"{found['fp8']['median']:.0f}" if "fp8" in found else ""
            lines.append(f"| {name} | {found['bf16']['median']:.4g} | {eight} |")
        lines += ["", f"Copy of {one['copy']['GB']:.3g} GB: {one['copy']['median_gbs']:.4g} GB/s, read and written."]
    for one in (part["result"] for part in parts.values() if "kernel_differences" in part.get("result", {})):
        lines += ["", "| emulated kernel, beside the real one | largest relative difference |", "| --- | ---: |"]
        lines += [f"| {name} | {value:.1e} |" for name, value in one["kernel_differences"].items()]
    lines += cross_check(parts)
    left = [(name, part) for name, part in parts.items() if part["status"] != "ok"]
    lines += ["", *(f"- **{name}**: {part['status']}: {part['reason']}" for name, part in left)]
    return "\n".join(lines).rstrip() + "\n"


def cross_check(parts: dict[str, Any]) -> list[str]:
    """Milliseconds of a layer from the runs of two depths, what of the deeper one is outside its layers, and what the
    whole model would take by that where it is deeper than both."""
    lines = []
    for name, part in parts.items():
        shallow = parts.get(f"{name}, half")
        if part["status"] != "ok" or shallow is None or shallow["status"] != "ok":
            continue
        deep, half = part["result"], shallow["result"]
        layers = deep["layers"] - half["layers"]
        if layers <= 0:
            continue
        each = (deep["milliseconds"]["total"]["median"] - half["milliseconds"]["total"]["median"]) / layers
        rest = deep["milliseconds"]["total"]["median"] - deep["layers"] * each
        line = f"{name}: {each:.4g} ms a layer by the difference to {half['layers']} layers, {rest:.3g} ms beside them"
        if (missing := deep["all_layers"] - deep["layers"]) > 0:
            whole = rest + deep["all_layers"] * each
            rate = deep["tokens_per_second"] * deep["milliseconds"]["total"]["median"] / whole
            line += f"; by that {deep['all_layers']} layers, {missing} more than fit, would take {whole:.4g} ms"
            line += f" ({rate:,.0f} tokens/s): not measured"
        lines += ["", f"{line}."]
    return lines


def _step_row(name: str, one: dict[str, Any]) -> str:
    step, causal = one["milliseconds"]["total"], one["causal"]
    times = f"{step['median']:.4g} ({step['min']:.4g} to {step['max']:.4g}, {step['steps']} steps)"
    shares = [f"{100 * one[kind]['mfu']:.1f}%" if one[kind]["mfu"] else "" for kind in ("causal", "full")]
    memory = f"{one['peak_memory_gib']:.1f}" if one["peak_memory_gib"] else ""
    rate = f"{one['tokens_per_second']:,.0f} | {causal['tflops']:.3g}"
    return f"| {name} | {one['layers']} | {times} | {rate} | {' | '.join(shares)} | {memory} |"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _nvidia_smi(fields: str) -> str | None:
    """The first card by `nvidia-smi`; None where there is none. Asked of it, so that this process needs no CUDA."""
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
