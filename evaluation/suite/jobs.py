"""What there is to do for each model of a suite, and what is done: a finished task is known by its fingerprint.

The fingerprint is of all that decides the numbers of a task, so that one whose model, settings or files have changed is
not known, and is run again.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from conduct.errors import InputError
from conduct.progress import progress_bar
from evaluation.digest import model_digest, source_digest
from evaluation.suite.config import KINDS, Suite, Task, sources, tasks
from evaluation.suite.output import result_path
from evaluation.suite.result import FORMAT, TaskResult, read_evaluation

_PACKAGES = ("genomic-llama", "torch", "transformers")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model on the suite, the fingerprints of all tasks, and by them the results that there are."""

    model: Path
    path: Path
    weights: str
    dtype: str
    fingerprints: tuple[str, ...]
    results: dict[str, TaskResult]

    @property
    def partial(self) -> Path:
        """Where the results are until all are there."""
        return self.path.with_name(f"{self.path.name}.partial")

    @property
    def found(self) -> list[TaskResult | None]:
        """The result of each task of the suite, None where there is none yet."""
        return [self.results.get(one) for one in self.fingerprints]


def plan_jobs(models: Sequence[Path], suite: Suite, out: Path, dtype: str) -> list[Job]:
    """What there is to do for each model, and what is done already; nothing is loaded."""
    paths: dict[Path, Path] = {}
    for model in models:
        path = result_path(out, model)
        if path in paths:
            problem = f"its result would be {path.name}, as that of {paths[path]}"
            raise InputError(problem, where=model, fix="Name a model once; evaluate two of one name apart.")
        paths[path] = model
    jobs, digest = [], cache(source_digest)
    with progress_bar("Checksums", total=len(paths), unit=" models") as advance:
        for path, model in paths.items():
            weights = model_digest(model)
            fingerprints = tuple(_fingerprint(task, weights, dtype, digest) for task in tasks(suite))
            jobs.append(
                Job(model=model, path=path, weights=weights, dtype=dtype, fingerprints=fingerprints, results={})
            )
            _take_up(jobs[-1])
            advance(1)
    return jobs


def _take_up(job: Job) -> None:
    """What earlier runs found. Errors: `InputError` where they were of a model of another name and weights."""
    for file in filter(Path.exists, (job.path, job.partial)):
        before = read_evaluation(file)
        if before.weights != job.weights and before.model != str(job.model):
            problem = f"holds the results of another model, {before.model}"
            raise InputError(problem, where=file, fix="Choose another --out, or remove the file.")
        job.results.update({one.fingerprint: one for one in before.tasks})


def _fingerprint(task: Task, weights: str, dtype: str, digest: Callable[[Path], str]) -> str:
    """Of all that decides the numbers of a task: the model, the task, the content of its files, the software."""
    decides = {
        "format": FORMAT,
        "weights": weights,
        "dtype": dtype,
        "versions": versions(),
        "kind": KINDS[type(task)],
        "task": asdict(task),
        "sources": [digest(source) for source in sources(task)],
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Of the software that decides the numbers."""
    return {package: version(package) for package in _PACKAGES}
