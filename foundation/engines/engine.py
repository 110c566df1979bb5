"""What an engine is: it calls `work(task)` for each of a list of numbers, somewhere, and says which are done.

An engine knows nothing of the work. `work` has to be picklable and to leave its results on a disk that all machines
share.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from foundation.errors import InputError

Work = Callable[[int], object]

GRACE = 10.0
"""Seconds that a worker has to remove its temporary files after it is asked to end."""


class Engine(Protocol):
    """Runs tasks in any order, many at a time."""

    def run(self, tasks: Sequence[int], work: Work, on_done: Callable[[int], None]) -> None:
        """Call `work(task)` for each of `tasks`, and here `on_done(task)` when it has returned.

        The first error of a task ends the others and is raised as it is. Errors: `InputError` for a worker that dies.
        """
        ...


class WorkerDiedError(InputError):
    """A worker process that ended within a task. `task`: its number."""

    task = 0

    def __reduce__(self) -> tuple[object, ...]:
        return (worker_died, (self.task, self.problem))


def worker_died(task: int, how: str) -> WorkerDiedError:
    """The error of a worker that ended within `task`; a task raises it too where its process is of no use."""
    error = WorkerDiedError(
        how,
        where=f"task {task}",
        fix="Finished tasks are kept. Run it again with fewer processes or more memory.",
        kind="worker-died",
    )
    error.task = task
    return error
