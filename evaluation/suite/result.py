"""What a model achieved on a suite: rows of one form, and their file."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from conversion.origin import origin_of
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.typed import from_json, to_json
from foundation.untrusted import read_json

FORMAT = "genomic-llama evaluation 5"
_WITHOUT_RUN = "genomic-llama evaluation 3"
_WITHOUT_RECORDS = "genomic-llama evaluation 4"
_ANY_FORMAT = FORMAT.rstrip("0123456789")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number. `kind`: likelihood, recall, variants, probe or labels; `name`: the task; `part`: of it, "" for all.

    `low` and `high`: a 95% interval, or a standard deviation either way, where there is one. `better`: lower or higher.
    `baseline`: the best of what needs no model, and its name. `count`: bases, variants or sequences measured.
    """

    kind: str
    name: str
    part: str
    metric: str
    value: float
    low: float | None
    high: float | None
    better: str
    baseline: float | None
    baseline_name: str
    count: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What two models' rows of one kind share."""
        return self.kind, self.name, self.part, self.metric


@dataclass(frozen=True, kw_only=True)
class RecordResult:
    """One record, or file, of a likelihood task: bits per base of the model, and of the best Markov chain."""

    name: str
    count: int
    value: float
    baseline: float | None


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """One task of a suite on one model. `fingerprint`: of all that decides its metrics; `created`: when, in UTC.

    `protocol`: fingerprint of the task and its files alone; results compare where it is the same. `unscored`: how many
    alleles were left out, by status. `records`: of likelihood, those with the most bases, and `sources`, the files
    that a corpus was made from.
    """

    kind: str
    name: str
    fingerprint: str
    protocol: str
    created: str
    seconds: float
    metrics: tuple[Metric, ...]
    unscored: dict[str, int]
    records: tuple[RecordResult, ...] = ()
    sources: tuple[RecordResult, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One model on one suite. `step`: optimizer steps of training, where the export tells; `weights`: SHA-256.

    `run`: what the checkpoints of one training have in common, where it is known; only these make a curve.
    `others`: what earlier runs found of the same weights that is not of this suite; it is kept, and not compared.
    """

    model: str
    step: int | None
    parameters: int
    weights: str
    dtype: str
    suite: str
    versions: dict[str, str]
    tasks: tuple[TaskResult, ...]
    others: tuple[TaskResult, ...]
    run: str | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of all tasks, in the order of the suite."""
        return tuple(metric for task in self.tasks for metric in task.metrics)

    @property
    def created(self) -> str:
        """When the newest was measured."""
        return max(task.created for task in self.tasks)

    @property
    def seconds(self) -> float:
        """Of all tasks."""
        return sum(task.seconds for task in self.tasks)


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write the JSON file, whole or not at all."""
    with atomic_file(path) as temporary:
        content = {"format": FORMAT, "evaluation": to_json(evaluation)}
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")


def read_evaluation(path: Path) -> Evaluation:
    """Read what `genomic-llama evaluate` wrote. Errors: `InputError` for a file of another form."""
    data = read_json(path)
    found = data.get("format") if isinstance(data, dict) else None
    if found in (_WITHOUT_RUN, _WITHOUT_RECORDS):
        _complete(data.get("evaluation"))
    elif found != FORMAT:
        other = isinstance(found, str) and found.startswith(_ANY_FORMAT)
        problem = f"has another version ({found!r})" if other else "is not an evaluation"
        raise InputError(
            f"{problem}, {FORMAT!r} was expected",
            where=path,
            fix=_FIX,
            kind="evaluation-version" if other else "not-an-evaluation",
        )
    return from_json(Evaluation, data.get("evaluation"), str(path))


def _complete(evaluation: object) -> None:
    """Add what older versions did not write."""
    if not isinstance(evaluation, dict):
        return
    evaluation.setdefault("run", None)
    for key in ("tasks", "others"):
        tasks = evaluation.get(key)
        for task in tasks if isinstance(tasks, list) else []:
            if isinstance(task, dict):
                task |= {"records": [], "sources": []}


def training_step(model: Path) -> int | None:
    """The step of the checkpoint that an export was made from, where it tells."""
    return origin_of(model).step


def training_run(model: Path) -> str | None:
    """One name for all exports of a training: the id of the run, or the folder of its checkpoints; else None.

    A fine-tune and its base are of two runs, whatever their steps.
    """
    return origin_of(model).run or _folder_of_checkpoints(model)


def _folder_of_checkpoints(model: Path) -> str | None:
    """For exports of versions that wrote no id."""
    try:
        record = read_json(model / "conversion.json")
        named = [str(record.get(key) or "") for key in ("checkpoint", "source")]
    except (InputError, AttributeError):
        named = []
    matches = (_STEP.match(path) for path in [*named, os.path.abspath(model)])
    return next((match[1].rstrip("/") for match in matches if match), None)


_STEP = re.compile(r"(.*/|)[^/]*?(?:step=|iter_)\d+")
_FIX = "Move it away, or choose another --out."
