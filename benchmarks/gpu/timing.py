"""Times of steps on the device: CUDA events on a GPU, the processor's clock in a dry run."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

LEAST = 8
"""Timed steps that a median needs."""


class Clock:
    """Marks on the device, and the milliseconds between them."""

    def __init__(self, device: str) -> None:
        self.device = device

    def mark(self) -> Any:
        """Now, in the order of the device's work."""
        if self.device == "cpu":
            return time.perf_counter()
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds(self, begin: Any, end: Any) -> float:
        """Between two marks. Waits for the second."""
        if self.device == "cpu":
            return float(1e3 * (end - begin))
        end.synchronize()
        return float(begin.elapsed_time(end))


def time_steps(
    step: Callable[[], Sequence[Any]], clock: Clock, names: Sequence[str], *, warmup: int, steps: int, seconds: float
) -> dict[str, dict[str, float]]:
    """Milliseconds of the phases `names` of `step`, which returns a mark before each phase and one at the end.

    Ends after `steps` timed steps, or when `seconds` are over and at least `LEAST` were timed. `total` is all phases.
    """
    began = time.perf_counter()
    for _ in range(warmup):
        marks = step()
    clock.milliseconds(marks[0], marks[-1])
    times: dict[str, list[float]] = {name: [] for name in (*names, "total")}
    while len(times["total"]) < steps:
        if time.perf_counter() - began > seconds and len(times["total"]) >= LEAST:
            break
        marks = step()
        times["total"].append(clock.milliseconds(marks[0], marks[-1]))
        for name, begin, end in zip(names, marks, marks[1:], strict=False):
            times[name].append(clock.milliseconds(begin, end))
    return {name: spread(found) for name, found in times.items()}


def spread(found: Sequence[float]) -> dict[str, float]:
    """Median, smallest, largest, and number."""
    return {"median": statistics.median(found), "min": min(found), "max": max(found), "steps": len(found)}
