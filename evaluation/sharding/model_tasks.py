"""Tasks of models as a job: a task of a model is a unit, for suites and for published tasks."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from evaluation.sharding.job import Compute, Payload, Progress, at_once

Model = TypeVar("Model")


class ModelTask(NamedTuple):
    """The place of a model among those of the request, and of a task among its tasks."""

    model: int
    task: int


class ModelTasks:
    """The units of `parameters`, of each model, and `sources`, the files and folders that each task reads."""

    def __init__(self, description: str, parameters: Sequence[int], sources: Sequence[Sequence[Path]]) -> None:
        self._parameters = parameters
        self._bytes = [1 + sum(map(_bytes, paths)) for paths in sources]
        self.progress = Progress(description=description, unit=" tasks", total=len(parameters) * len(sources))

    def units(self) -> Iterator[list[ModelTask]]:
        """One task of one model each."""
        for model in range(len(self._parameters)):
            for task in range(len(self._bytes)):
                yield [ModelTask(model, task)]

    def work(self, item: ModelTask) -> int:
        """Bytes that the task reads, for each parameter of the model: a guess."""
        return self._bytes[item.task] * self._parameters[item.model]

    def amount(self, item: ModelTask) -> float:
        """Tasks."""
        return 1

    def one_by_one(
        self, load: Callable[[int], Model], run: Callable[[ModelTask, Callable[[], Model]], Payload]
    ) -> Compute[ModelTask]:
        """Compute each unit with `run`, which asks for its model; `load` is called once for the tasks of a model."""
        loaded = lru_cache(maxsize=1)(load)

        def compute(unit: list[ModelTask]) -> Payload:
            [item] = unit
            return run(item, lambda: loaded(item.model))

        return at_once(self, compute)


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
