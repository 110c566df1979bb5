"""Which task of which model is run, how many there are, and how long the rest may take: a line on standard error."""

import statistics
from collections.abc import Mapping, Sequence

from evaluation.suite.config import KINDS, Task
from evaluation.suite.result import TaskResult
from foundation.pages.quantities import duration
from foundation.terminal import warn


class TimeLeft:
    """A task is expected to take what it took for other models, or else what the others took on average."""

    def __init__(self, tasks: Sequence[Task], found: Mapping[str, Sequence[TaskResult | None]]) -> None:
        """`found`: of each model, by name, the results that there are, in the order of `tasks`."""
        self._names = [f"{KINDS[type(task)]} {task.name!r}" for task in tasks]
        self._models = list(found)
        self._total = len(tasks) * len(found)
        self._left = [number for results in found.values() for number, one in enumerate(results) if one is None]
        self._seconds: list[list[float]] = [
            [one.seconds for one in column if one is not None] for column in zip(*found.values(), strict=True)
        ]
        if done := self._total - len(self._left):
            warn(f"{done} of {self._total} results are there already")

    def begin(self, model: str, number: int) -> None:
        """Say that task `number` of `model` begins."""
        place = f"model {self._models.index(model) + 1} of {len(self._models)}"
        task = f"task {number + 1} of {len(self._names)}"
        left = f", about {duration(seconds)} left" if (seconds := self.expected()) is not None else ""
        done = f"{self._total - len(self._left)} of {self._total} done"
        warn(f"{model} ({place}): {self._names[number]} ({task}); {done}{left}")

    def end(self, number: int, seconds: float) -> None:
        """Task `number` of the model that is run has taken `seconds`."""
        self._left.remove(number)
        self._seconds[number].append(seconds)

    def expected(self) -> float | None:
        """Seconds until all is done; None before the first result."""
        known = [one for seconds in self._seconds for one in seconds]
        if not known:
            return None
        return sum(statistics.fmean(self._seconds[number] or known) for number in self._left)
