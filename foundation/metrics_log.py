"""`metrics.jsonl`, to which a run appends a JSON object per line: its rows, what is damaged, and steps done again."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

NAME = "metrics.jsonl"


@dataclass(frozen=True, kw_only=True)
class MetricsLog:
    """`rows`: line number, from 1, and content of every line that holds an object.

    `damaged` counts the others, as a power cut leaves them; `torn`: the last line has no end and does not parse, since
    the run was killed while it wrote it, and is not counted.
    """

    rows: tuple[tuple[int, dict[str, Any]], ...]
    damaged: int
    torn: bool


def read_metrics(log: Path) -> MetricsLog:
    """Read a log. Damage does not stop a run, nor a report about it: such lines are left out. Errors: `OSError`."""
    lines = log.read_bytes().splitlines(keepends=True)
    parsed = [_parse(line) for line in lines]
    torn = bool(lines) and parsed[-1] is None and not lines[-1].endswith(b"\n")
    rows = tuple((number, row) for number, row in enumerate(parsed, start=1) if row is not None)
    return MetricsLog(rows=rows, damaged=len(lines) - len(rows) - torn, torn=torn)


def take_repeated(steps: dict[int, T], step: int) -> list[T]:
    """Remove from `steps`, in order, what a resumed run does again when it comes to `step`; returns it, in order."""
    repeated = []
    while steps and next(reversed(steps)) >= step:
        repeated.append(steps.popitem()[1])
    return repeated[::-1]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
