"""Runs the parts, each in a process of its own with a time limit; what was found is on the disk after each."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.gpu import report
from benchmarks.gpu.parts import Part, settings_of
from benchmarks.gpu.settings import Settings, with_layers

RETRY = 4
"""Layers less where a part ran out of memory."""
LEAST_SECONDS = 20.0
"""That another try is worth: imports take most of them."""


def run_parts(
    parts: Sequence[Part],
    settings: Mapping[str, Settings | str],
    results: dict[str, Any],
    out: Path,
    *,
    device: str,
    seconds: float,
) -> bool:
    """Measure `parts` into `results["parts"]` and write them to `out`; True where every one is there.

    `settings` has those of each precision, or why there are none. Parts that the `seconds` do not reach are failures.
    """
    began = time.monotonic()
    for part in parts:
        left = seconds - (time.monotonic() - began)
        given = settings[part.precision]
        if device == "cpu" and (part.needs_te or isinstance(given, str)):
            reason = given if isinstance(given, str) else "Transformer Engine needs a GPU"
            found: dict[str, Any] = {"status": "skipped", "reason": reason}
        elif isinstance(given, str):
            found = {"status": "failed", "reason": given}
        elif left <= 0:
            found = {"status": "failed", "reason": f"the {seconds:.0f} s were over"}
        else:
            found = run_part(part, given, out, device=device, seconds=min(left, part.seconds))
        results["parts"][part.name] = found
        report.write(results, out)
        print(f"{part.name}: {found['status']}" + (f": {found['reason']}" if "reason" in found else ""), flush=True)
    return all(found["status"] != "failed" for found in results["parts"].values())


def run_part(part: Part, settings: Settings, out: Path, *, device: str, seconds: float) -> dict[str, Any]:
    """The record of a part; with fewer layers where memory was not enough, as long as there is time."""
    began = time.monotonic()
    chosen = settings_of(part, settings)
    left = seconds
    while True:
        found = _in_a_process(part, chosen, out / "logs" / f"{part.name}.txt", device, max(left, 1.0))
        found["seconds"] = time.monotonic() - began
        left = seconds - found["seconds"]
        layers = chosen.get("transformer", {}).get("num_layers", 0) - RETRY
        if not found.pop("out_of_memory", False) or layers < RETRY or left < LEAST_SECONDS:
            return found
        print(f"{part.name}: out of memory with {layers + RETRY} layers, again with {layers}", flush=True)
        chosen = with_layers(chosen, layers)


def _in_a_process(part: Part, settings: Settings, log: Path, device: str, seconds: float) -> dict[str, Any]:
    # A forked process in a dry run, for speed; CUDA wants one of its own.
    context = multiprocessing.get_context("fork" if device == "cpu" else "spawn")
    here, there = context.Pipe(duplex=False)
    log.parent.mkdir(parents=True, exist_ok=True)
    process = context.Process(target=_measure, args=(part, settings, device, seconds, log, there))
    process.start()
    there.close()
    try:
        if not here.poll(seconds):
            return {"status": "failed", "reason": f"not done after {seconds:.0f} s; {log}"}
        found: dict[str, Any] = here.recv()
        return found
    except EOFError:
        process.join()
        return {"status": "failed", "reason": f"ended with exit status {process.exitcode}; {log}"}
    finally:
        process.kill()
        process.join()


def _measure(part: Part, settings: Settings, device: str, seconds: float, log: Path, connection: Connection) -> None:
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        found = {"status": "ok", "result": part.measure(settings, device, seconds)}
    except Exception as error:  # whatever it is, it is recorded and the next part runs
        traceback.print_exc()
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        found = {
            "status": "failed",
            "reason": reason,
            "traceback": traceback.format_exc().splitlines(),
            "out_of_memory": _is_out_of_memory(error),
        }
    connection.send(found)


def _is_out_of_memory(error: Exception) -> bool:
    """torch's own error; cuBLAS, cuDNN and Transformer Engine have none of theirs."""
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in text or "alloc_failed" in text
