"""Wall time of a run by phase, and the goodput over all restarts."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation.metrics_log import read_metrics, take_repeated


class PhaseClock:
    """Seconds in each phase of this process. It is always in one: a phase ends where the next begins."""

    def __init__(self, phase: str) -> None:
        self._seconds: dict[str, float] = {}
        self._phase, self._since = phase, time.perf_counter()

    def enter(self, phase: str) -> None:
        """End the present phase and begin `phase`."""
        now = time.perf_counter()
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._since
        self._phase, self._since = phase, now

    def take(self, phase: str) -> float:
        """Seconds in `phase` since they were last taken."""
        self.enter(self._phase)
        return self._seconds.pop(phase, 0.0)


@dataclass(kw_only=True)
class Goodput:
    """Seconds of the steps that count, of all since the run first began.

    Steps that were done again after a restart count once. What is left is start-up, validation, saving, steps that were
    lost, and the time between two processes. Google's ML Goodput (Training) and Llama 3's effective training time
    (Dubey et al. 2024, section 3.3.4) are the same quotient.
    """

    began: float  # Unix time
    productive: float

    def share(self) -> float:
        """Of the time until now; at most 1."""
        return min(1.0, self.productive / max(time.time() - self.began, 1e-9))


def goodput_so_far(log: Path, *, done: int, began: float) -> Goodput:
    """What the run log of a run says that continues after step `done`; `began`, a Unix time, where there is none."""
    steps: dict[int, float] = {}
    first = None
    for row in rows(log):
        if "loss" in row:
            first = first or row
            take_repeated(steps, row["step"])
            steps[row["step"]] = row["seconds"]
    if first and "time" in first:
        began = first["time"] - first["seconds"] - first.get("start_seconds", 0.0)
    return Goodput(began=began, productive=sum(seconds for step, seconds in steps.items() if step <= done))


def drop_torn_line(log: Path) -> None:
    """Cut off a last line without its end, which a killed process left: the next one would be written behind it."""
    if log.exists() and (text := log.read_bytes()) and not text.endswith(b"\n"):
        with open(log, "r+b") as file:
            file.truncate(text.rfind(b"\n") + 1)


def rows(log: Path) -> list[dict[str, Any]]:
    """Lines of a run log, without damaged ones, which must not stop the run. Empty if there is no log."""
    return [row for _, row in read_metrics(log).rows] if log.exists() else []
