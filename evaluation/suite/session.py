"""A suite on several models, from where an interrupted run was: what is finished is kept, a task at a time.

The results of a model that is under way are in MODEL.json.partial, beside its MODEL.json. A finished task is taken from
either where nothing that decides its numbers has changed, and run again otherwise.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from conduct.errors import InputError
from conduct.progress import progress_bar
from configs.llama import read_architecture
from evaluation.digest import model_digest, source_digest
from evaluation.model import load_model
from evaluation.suite.config import KINDS, Suite, Task, sources, tasks
from evaluation.suite.output import result_path
from evaluation.suite.result import FORMAT, Evaluation, TaskResult, read_evaluation, training_step, write_evaluation
from evaluation.suite.run import run_task, where
from evaluation.suite.time_left import TimeLeft

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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


def evaluate_models(models: Sequence[Path], suite: Suite, path: Path, out: Path, dtype: str) -> None:
    """Write the result of each of `models` on `suite`, read from the file `path`, into the directory `out`.

    Errors: `InputError` for two models whose results would have one name.
    """
    jobs = plan_jobs(models, suite, out, dtype)
    left = TimeLeft(tasks(suite), {job.path.stem: job.found for job in jobs})
    for job in jobs:
        if None in job.found:
            _finish(job, suite, path, left)
        write_evaluation(_evaluation(job, path), job.path)
        for kept in out.glob(f"{job.path.name}*.partial"):
            kept.unlink(missing_ok=True)


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
        "versions": _versions(),
        "kind": KINDS[type(task)],
        "task": asdict(task),
        "sources": [digest(source) for source in sources(task)],
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _finish(job: Job, suite: Suite, path: Path, left: TimeLeft) -> None:
    """Run what has no result; each is on disk before the next begins."""
    model = load_model(job.model, job.dtype)
    for number, (task, fingerprint) in enumerate(zip(tasks(suite), job.fingerprints, strict=True)):
        if fingerprint in job.results:
            continue
        left.begin(job.path.stem, number)
        result = _measure(model, job, task, fingerprint, suite.batch_size, where(path, task))
        left.end(number, result.seconds)
        job.results[fingerprint] = result
        write_evaluation(_evaluation(job, path), job.partial)


def _measure(
    model: "PreTrainedModel", job: Job, task: Task, fingerprint: str, batch_size: int, named: str
) -> TaskResult:
    started = time.perf_counter()
    journal = job.path.with_name(f"{job.path.name}.{fingerprint[:12]}.partial")
    metrics = run_task(model, job.model, task, batch_size=batch_size, where=named, journal=journal)
    seconds = time.perf_counter() - started
    return TaskResult(
        kind=KINDS[type(task)],
        name=task.name,
        fingerprint=fingerprint,
        created=f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        seconds=seconds,
        metrics=tuple(metrics),
    )


def _evaluation(job: Job, path: Path) -> Evaluation:
    """What there is of the suite now."""
    return Evaluation(
        model=str(job.model),
        step=training_step(job.model),
        parameters=read_architecture(job.model).parameters,
        weights=job.weights,
        dtype=job.dtype,
        suite=path.stem,
        versions=_versions(),
        tasks=tuple(result for result in job.found if result is not None),
    )


def _versions() -> dict[str, str]:
    return {package: version(package) for package in _PACKAGES}
