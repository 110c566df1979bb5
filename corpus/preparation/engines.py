"""What runs the shards of a preparation: this process, others of this machine, or Ray on many."""

from collections.abc import Callable, Sequence
from typing import Protocol


class Engine(Protocol):
    """Runs tasks that share no state, in any order."""

    def run(self, tasks: Sequence[int], work: Callable[[int], None], on_done: Callable[[int], None]) -> None:
        """Call `work` with each of `tasks`, and `on_done`, here, with each that is finished."""
        ...


class InlineEngine:
    """One task after the other, in this process."""

    def run(self, tasks: Sequence[int], work: Callable[[int], None], on_done: Callable[[int], None]) -> None:
        for task in tasks:
            work(task)
            on_done(task)
