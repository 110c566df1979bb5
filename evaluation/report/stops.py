"""`RUN/stops.jsonl`: how each attempt of a run ended before the run was finished, one line per stop."""

import json
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import InputError
from foundation.typed import from_json

NAME = "stops.jsonl"
SHOWN = 10
"""Stops of which a report tells the reason."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """One stop. `step`: of the newest whole checkpoint then, 0 without one. `attempt`: unique to one start of the run.

    `job`: of the scheduler, "" without one. `status`: exit status of the run. `requeue`: whether it asked to be started
    again. `time`: Unix time.
    """

    time: float
    job: str
    attempt: str
    reason: str
    step: int
    status: int
    requeue: bool


def read_stops(run: Path) -> list[Stop]:
    """The stops of the run in directory `run`, oldest first. A line that a crash cut off is left out."""
    path = Path(run) / NAME
    if not path.is_file():
        return []
    stops = []
    for text in path.read_bytes().splitlines():
        try:
            stops.append(from_json(Stop, json.loads(text), str(path)))
        except (ValueError, InputError):
            continue
    return stops


def describe_stops(stops: list[Stop]) -> str:
    """How often and why, as sentences; "" without a stop."""
    if not stops:
        return ""
    requeued = sum(stop.requeue for stop in stops)
    times = "once" if len(stops) == 1 else f"{len(stops)} times"
    shown = stops[-SHOWN:]
    which = "" if len(shown) == len(stops) else f", the last {SHOWN}"
    return f"Stopped {times}, and asked to be started again {requeued} of {len(stops)}{which}: {_reasons(shown)}."


def _reasons(stops: list[Stop]) -> str:
    return "; ".join(f"{stop.reason} (status {stop.status})" for stop in stops)
