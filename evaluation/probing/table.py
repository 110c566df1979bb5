"""The table of probes: as text, and as a JSON file."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.probing.datasets import Task
from evaluation.probing.probe import Measured
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.typed import from_json, to_json
from foundation.untrusted import read_json

FORMAT = "genomic-llama probe 2"
_FIX = "Write it with `genomic-llama probe --out`."
_SHOWN = 20  # classes of a task that are printed


def class_lines(task: Task) -> Iterator[str]:
    """The classes of `task` with their counts, and how many test sequences are also in train."""
    shown = task.counts[:_SHOWN]
    width = max(len("class"), *(len(one.name) for one in shown))
    yield f"{task.name}  {'class'.ljust(width)}  train   test"
    yield from (f"{task.name}  {one.name.ljust(width)}  {one.train:5,}  {one.test:5,}" for one in shown)
    if len(task.counts) > _SHOWN:
        yield f"{task.name}  ... and {len(task.counts) - _SHOWN:,} classes more"
    if task.shared:
        are = "is" if task.shared == 1 else "are"
        yield f"{task.name}  warning: {task.shared:,} of {len(task.test):,} test sequences {are} in train too"


def format_table(rows: Sequence[Measured]) -> str:
    """A line a head, mean and standard deviation over the seeds."""
    head = ("task", "features", "head", "MCC", "AUROC")
    lines = [
        (r.task, r.features, r.head, f"{r.mcc:.3f} ± {r.mcc_sd:.3f}", f"{r.auroc:.3f} ± {r.auroc_sd:.3f}") for r in rows
    ]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in [head, *lines]
    )


def read_table(path: Path) -> list[Measured]:
    """The rows of a file that `write_table` wrote. Errors: `InputError` for another."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"is not a table of probes ({FORMAT!r})", where=path, fix=_FIX, kind="not-probes")
    return list(from_json(_Rows, {"probes": content.get("probes")}, str(path)).probes)


@dataclass(frozen=True, kw_only=True)
class _Rows:
    probes: tuple[Measured, ...]


def write_table(rows: Sequence[Measured], path: Path, *, model: str, tasks: Sequence[Task]) -> None:
    """Write the rows and the classes of each task as JSON, whole or not at all."""
    about = [{"task": one.name, "shared": one.shared, "classes": to_json(one.counts)} for one in tasks]
    with atomic_file(path) as temporary:
        content = {"format": FORMAT, "model": model, "tasks": about, "probes": [to_json(row) for row in rows]}
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
