"""What there is to do for each model of a suite, and what is done: a finished task is known by its fingerprint.

The fingerprint is of all that decides the numbers of a task, so that one whose model, settings or files have changed is
not known, and is run again.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evaluation.digest import model_digest, read_ahead, source_digest, versions
from evaluation.suite.config import KINDS, SOURCES, Suite, Task, sources, tasks
from evaluation.suite.output import result_path
from evaluation.suite.result import FORMAT, TaskResult, read_evaluation
from foundation.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model on the suite, the fingerprints and protocols of all tasks, and the results of earlier runs.

    `results` are by fingerprint; those of the suite and of others.
    """

    model: Path
    path: Path
    weights: str
    dtype: str
    fingerprints: tuple[str, ...]
    protocols: tuple[str, ...]
    results: Mapping[str, TaskResult]

    @property
    def found(self) -> list[TaskResult | None]:
        """The result of each task of the suite, None where no earlier run has one."""
        return [self.results.get(one) for one in self.fingerprints]


def plan_jobs(models: Sequence[Path], suite: Suite, out: Path, dtype: str) -> list[Job]:
    """What there is to do for each model, and what is done already; nothing is loaded."""
    paths: dict[Path, Path] = {}
    for model in models:
        path = result_path(out, model)
        if path in paths:
            problem = f"its result would be {path.name}, as that of {paths[path]}"
            raise InputError(
                problem,
                where=model,
                fix="Name each model once. Evaluate models of the same name separately.",
                kind="model-name-twice",
            )
        paths[path] = model
    read_ahead(models, [source for task in tasks(suite) for source in sources(task)])
    return [_job(model, path, suite, dtype) for path, model in paths.items()]


def partial_path(path: Path) -> Path:
    """Where the results are until all are there."""
    return path.with_name(f"{path.name}.partial")


def _job(model: Path, path: Path, suite: Suite, dtype: str) -> Job:
    weights = model_digest(model)
    protocols = tuple(protocol_of(task) for task in tasks(suite))
    return Job(
        model=model,
        path=path,
        weights=weights,
        dtype=dtype,
        fingerprints=tuple(_fingerprint(protocol, weights, dtype) for protocol in protocols),
        protocols=protocols,
        results=_earlier(model, path, weights),
    )


def _earlier(model: Path, path: Path, weights: str) -> dict[str, TaskResult]:
    """What earlier runs found. Errors: `InputError` where they were of a model at another path, of other weights."""
    results: dict[str, TaskResult] = {}
    for file in filter(Path.exists, (path, partial_path(path))):
        before = read_evaluation(file)
        if before.weights != weights and os.path.abspath(before.model) != os.path.abspath(model):
            problem = f"holds the results of another model, {before.model}"
            raise InputError(
                problem, where=file, fix="Choose another --out, or remove the file.", kind="results-of-another-model"
            )
        if before.weights == weights:
            results |= {one.fingerprint: one for one in (*before.others, *before.tasks)}
    return results


def _fingerprint(protocol: str, weights: str, dtype: str) -> str:
    """Of all that decides the numbers of a task: the model, the task, the content of its files, the software."""
    return _sha256({"protocol": protocol, "weights": weights, "dtype": dtype, "versions": versions()})


def protocol_of(task: Task) -> str:
    """Of what any model is asked: the task, and the content of its files wherever they lie."""
    settings = {key: value for key, value in asdict(task).items() if key not in SOURCES}
    files = {key: source_digest(Path(path)) for key in SOURCES if (path := getattr(task, key, None))}
    return _sha256({"format": FORMAT, "kind": KINDS[type(task)], "task": settings, "sources": files})


def _sha256(decides: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
