"""A suite on several models, from where an interrupted run was: what is finished is kept, a task at a time.

The results of a model that is under way are in MODEL.json.partial, beside its MODEL.json.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from configs.llama import read_architecture
from evaluation.digest import versions
from evaluation.likelihood.model import load_model
from evaluation.suite.checks import where
from evaluation.suite.config import KINDS, Suite, Task, tasks
from evaluation.suite.jobs import Job, partial_path, plan_jobs
from evaluation.suite.result import Evaluation, TaskResult, training_run, training_step, write_evaluation
from evaluation.suite.tasks import run_task
from evaluation.suite.time_left import TimeLeft
from evaluation.variants.alleles import describe_unscored
from foundation.pages.quantities import plural
from foundation.terminal import warn

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def evaluate_models(models: Sequence[Path], suite: Suite, path: Path, out: Path, dtype: str) -> None:
    """Write the result of each of `models` on `suite`, read from the file `path`, into the directory `out`.

    Errors: `InputError` for two models whose results would have one name.
    """
    jobs = plan_jobs(models, suite, out, dtype)
    left = TimeLeft(tasks(suite), {job.path.stem: job.found for job in jobs})
    for job in jobs:
        results = job.results if None not in job.found else _finish(job, suite, path, left)
        keep(job, results, path)


def keep(job: Job, results: Mapping[str, TaskResult], path: Path) -> None:
    """Write the results of a model on the suite of file `path`; what there was of an unfinished run is removed."""
    evaluation = _evaluation(job, results, path)
    write_evaluation(evaluation, job.path)
    _warn_unscored(job.path, evaluation)
    for partial in job.path.parent.glob(f"{job.path.name}*.partial"):
        partial.unlink(missing_ok=True)


def _finish(job: Job, suite: Suite, path: Path, left: TimeLeft) -> dict[str, TaskResult]:
    """The results that there are and those of what has none, which is run; each is on disk before the next begins."""
    model, results = load_model(job.model, job.dtype), dict(job.results)
    for number, (task, fingerprint) in enumerate(zip(tasks(suite), job.fingerprints, strict=True)):
        if fingerprint in results:
            continue
        left.begin(job.path.stem, number)
        result = measure(model, job, task, fingerprint, suite.batch_size, where(path, task))
        left.end(number, result.seconds)
        results[fingerprint] = result
        write_evaluation(_evaluation(job, results, path), partial_path(job.path))
    return results


def measure(
    model: "PreTrainedModel", job: Job, task: Task, fingerprint: str, batch_size: int, named: str
) -> TaskResult:
    """Run one task; `named`: how errors call it."""
    started = time.perf_counter()
    journal = job.path.with_name(f"{job.path.name}.{fingerprint[:12]}.partial")
    found = run_task(model, job.model, task, batch_size=batch_size, where=named, journal=journal)
    seconds = time.perf_counter() - started
    return TaskResult(
        kind=KINDS[type(task)],
        name=task.name,
        fingerprint=fingerprint,
        protocol=job.protocols[job.fingerprints.index(fingerprint)],
        created=f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        seconds=seconds,
        metrics=tuple(found.metrics),
        unscored=found.unscored,
        records=found.records,
        sources=found.sources,
    )


def _evaluation(job: Job, results: Mapping[str, TaskResult], path: Path) -> Evaluation:
    """What there is of the suite now."""
    return Evaluation(
        model=str(job.model),
        step=training_step(job.model),
        run=training_run(job.model),
        parameters=read_architecture(job.model).parameters,
        weights=job.weights,
        dtype=job.dtype,
        suite=path.stem,
        versions=versions(),
        tasks=tuple(results[one] for one in job.fingerprints if one in results),
        others=tuple(result for one, result in results.items() if one not in job.fingerprints),
    )


def _warn_unscored(path: Path, evaluation: Evaluation) -> None:
    """Say what is in no metric, on standard error."""
    for task in evaluation.tasks:
        for line in describe_unscored(task.unscored):
            warn(f"{path.stem}: {task.kind} {task.name!r}: {line}")
    if evaluation.others:
        kept = plural(len(evaluation.others), "result")
        warn(f"{path.stem}: {kept} of other suites or settings kept in {path}, not compared")
