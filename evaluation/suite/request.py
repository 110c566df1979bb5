"""The request of a sharded `evaluate`, and its job: one unit per task and model."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs.llama import read_architecture
from evaluation.finished import Work
from evaluation.likelihood.model import check_directory, load_model
from evaluation.sharding.job import Compute, Payload, Results
from evaluation.sharding.model_tasks import ModelTask, ModelTasks
from evaluation.suite.checks import check_kind, check_suite, where
from evaluation.suite.config import KINDS, read_suite, sources, tasks
from evaluation.suite.jobs import plan_jobs
from evaluation.suite.output import read_directory, write_comparison
from evaluation.suite.result import Evaluation, TaskResult
from evaluation.suite.runner import keep, measure
from foundation.atomic import check_writable
from foundation.typed import from_json, to_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel


PAGE = "index.html"


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """The `models` and the file of the `suite`; `out` is the directory that the results are written into."""

    models: tuple[Path, ...]
    suite: Path
    out: Path
    dtype: str = "float32"

    command = "evaluate"
    journal = None
    batch_size = None

    def at(self, out: Path) -> "EvaluateRequest":
        """The same, written into `out`."""
        return replace(self, out=out)

    def check(self) -> None:
        """Errors: `InputError` for what can be known to be wrong before a model is loaded."""
        wanted = read_suite(self.suite)
        check_suite(wanted, self.suite)
        for model in self.models:
            check_directory(model)
            check_kind(wanted, model)
        check_writable(self.out / PAGE, given=self.out)
        read_directory(self.out)  # report what cannot be read before the work

    def made(self, *, overwrite: bool = False) -> Work:
        """What decides the results. They have no receipt: each task has a fingerprint of its own."""
        read = {f"model {number}": model for number, model in enumerate(self.models[1:], start=2)}
        for task in tasks(read_suite(self.suite)):
            read |= {f"{path} of {KINDS[type(task)]} {task.name!r}": path for path in sources(task)}
        return Work(
            command=self.command,
            model=self.models[0],
            sources={"suite": self.suite, **read},
            settings={"dtype": self.dtype},
            files=[],
            overwrite=overwrite,
        )

    def open(self) -> "EvaluateJob":
        """Its job."""
        return EvaluateJob(self)


class EvaluateJob(ModelTasks):
    """Tasks of models. A task that the directory has the result of is not run again."""

    def __init__(self, request: EvaluateRequest) -> None:
        self._request, self._suite = request, read_suite(request.suite)
        self._tasks = tasks(self._suite)
        self._jobs = plan_jobs(request.models, self._suite, request.out, request.dtype)
        super().__init__(
            f"Evaluating {request.suite.name}",
            [read_architecture(job.model).parameters for job in self._jobs],
            [sources(task) for task in self._tasks],
        )

    def load(self, device: str | None) -> Compute[ModelTask]:
        """A model is loaded when its first task is run."""

        def loaded(number: int) -> "PreTrainedModel":
            return load_model(self._jobs[number].model, self._request.dtype, device=device)

        def run(item: ModelTask, model: "Callable[[], PreTrainedModel]") -> Payload:
            job, task = self._jobs[item.model], self._tasks[item.task]
            result = job.found[item.task] or measure(
                model(), job, task, job.fingerprints[item.task], self._suite.batch_size,
                where(self._request.suite, task),
            )  # fmt: skip
            return {"result": np.frombuffer(json.dumps(to_json(result)).encode(), dtype=np.uint8)}

        return self.one_by_one(loaded, run)

    def finish(self, results: Results[ModelTask]) -> tuple[list[Evaluation], Sequence[Path]]:
        """Write the result of each model, and the page that compares all of the directory."""
        found = [dict(job.results) for job in self._jobs]
        for [item], payload in results:
            result = from_json(TaskResult, json.loads(payload["result"].tobytes()), "a part")
            found[item.model][result.fingerprint] = result
        for job, mine in zip(self._jobs, found, strict=True):
            keep(job, mine, self._request.suite)
        return compare_all(self._request.out, self._request.models), [
            *(job.path for job in self._jobs),
            self._request.out / PAGE,
        ]


def compare_all(out: Path, models: Sequence[Path] = ()) -> list[Evaluation]:
    """Write the page that compares the results in the directory `out`, those of `models` last; these results."""
    evaluations = read_directory(out, models)
    write_comparison(evaluations, out / PAGE)
    return evaluations
