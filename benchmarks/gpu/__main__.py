"""Training speed on one Hopper or Blackwell GPU, within 25 minutes, beside what the card and two peers can do.

    python -m benchmarks.gpu --out results                    on the machine with the GPU
    python -m benchmarks.gpu --dry-run --out results          the same code on a CPU, tiny, in a minute: nothing to cite
    python -m benchmarks.gpu --write-settings settings.json --gpu h200      where NeMo is, for a machine without it
    python -m benchmarks.gpu --settings settings.json --out results         there

Parts: whether each library works here; the kernels that the tests emulate, beside the real ones; ceilings of matrix
products and copies; two layers against fp32; the 8B's step in bf16 and FP8 (delayed and current scaling), micro-batch 1
of 8192 random tokens, optimizer included; the same with half the layers; `transformers` with torch.compile, and
Transformer Engine's layers alone, with half the layers. Of the 8B's layers those are built that fit by the plan with
nothing recomputed.
The model, gradient buffers and optimizer are built from the recipe's own settings. results.json and results.md are
rewritten after each part. A part that failed is listed there with its reason, and the exit status is then 1.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu import report
from benchmarks.gpu.driver import run_parts
from benchmarks.gpu.parts import PARTS
from benchmarks.gpu.settings import DRY, RECIPE, Settings, fitting, resolve
from configs.compose import compose_config, group_options
from foundation.errors import InputError
from foundation.untrusted import read_json
from launch.submit.environment import environment

PRECISIONS = ("bf16", "fp8_delayed", "fp8_current")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure. Returns the exit status."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, default=Path("gpu_results"), help="directory of the results")
    options.add_argument("--gpu", choices=sorted(set(group_options("hardware")) - {"cpu"}), help="by default, asked")
    options.add_argument("--minutes", type=float, default=25.0, help="for everything; what is not reached has failed")
    options.add_argument("--only", nargs="+", metavar="PART", choices=[part.name for part in PARTS], help="these parts")
    options.add_argument("--dry-run", action="store_true", help="tiny sizes on a CPU")
    options.add_argument("--settings", type=Path, help="settings that --write-settings wrote")
    options.add_argument("--write-settings", type=Path, metavar="FILE", help="write them and stop")
    given = options.parse_args(arguments)
    results: dict[str, Any] = {"header": report.header({key: _text(value) for key, value in vars(given).items()})}
    try:
        if given.settings:
            settings = _read_settings(given.settings)
        else:
            settings = (
                dry_settings() if given.dry_run else gpu_settings(given.gpu or _find_gpu(results["header"]["gpu"]))
            )
    except (InputError, OSError, ImportError) as error:
        fix = " NeMo makes the settings: see --write-settings." if isinstance(error, ImportError) else ""
        print(f"error: {error}{fix}", file=sys.stderr)
        return 1
    if given.write_settings:
        given.write_settings.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        return 0
    results |= {"settings": settings, "parts": {}}
    _set_environment()
    parts = [part for part in PARTS if not given.only or part.name in given.only]
    device = "cpu" if given.dry_run else "cuda"
    whole = run_parts(parts, settings, results, given.out, device=device, seconds=60 * given.minutes)
    print(f"wrote {given.out}/results.md")
    return 0 if whole else 1


def gpu_settings(gpu: str) -> dict[str, Settings | str]:
    """Those of the 8B in each precision on one `gpu`, or why it has none."""
    found: dict[str, Settings | str] = {}
    for precision in PRECISIONS:
        try:
            overrides, layers = fitting(gpu, precision)
            settings = resolve(RECIPE, overrides)
            found[precision] = {**settings, "transformer": {**settings["transformer"], "num_layers": layers}}
        except InputError as error:
            found[precision] = str(error)
    return found


def dry_settings() -> dict[str, Settings | str]:
    """Those of the tiny model on a CPU, in its fp32 instead of bf16; no FP8."""
    settings = resolve(*DRY)
    import torch

    torch.set_num_threads(1)  # the forked parts have it too
    return {"bf16": settings, "fp8_delayed": "FP8 needs a GPU", "fp8_current": "FP8 needs a GPU"}


def _read_settings(path: Path) -> dict[str, Settings | str]:
    settings: dict[str, Settings | str] = read_json(path)
    if not isinstance(settings, dict) or not all(isinstance(settings.get(name), dict | str) for name in PRECISIONS):
        fix = "Give a file that --write-settings wrote."
        raise InputError(
            f"has not the settings of {', '.join(PRECISIONS)}", where=path, fix=fix, kind="benchmark-settings"
        )
    return settings


def _find_gpu(smi: str | None) -> str:
    kinds = sorted(set(group_options("hardware")) - {"cpu"}, key=len, reverse=True)  # GB200 before B200
    for kind in kinds:
        if smi and kind.upper() in smi.partition(",")[0].upper():
            return kind
    raise InputError(
        f"nvidia-smi names no GPU that is known here: {smi}", fix="Give --gpu, or --dry-run.", kind="unknown-gpu"
    )


def _set_environment() -> None:
    """What `genomic-llama launch` sets for a run on one GPU; before a part imports torch."""
    for name, value, _ in environment(compose_config(RECIPE, ["parallelism=gpus_1", "hardware.devices=1"])):
        os.environ.setdefault(name, value)
    if not any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))):
        print("no C compiler, which Triton needs: torch.compile is off, also inside Megatron-Core", file=sys.stderr)
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")


def _text(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


if __name__ == "__main__":
    sys.exit(main())
