"""A progress bar with rate and time left, on standard error; one line at the end where that is no terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from foundation.terminal import printable


class Advance(Protocol):
    """Call with the work just done, in the bar's unit; `counted`: in the unit of the rate, where that is another."""

    def __call__(self, amount: float, /, counted: float | None = None) -> None: ...


def unseen(amount: float, /, counted: float | None = None) -> None:
    """For work that nobody watches."""


@contextmanager
def progress_bar(description: str, *, total: float | None, unit: str, rate: str | None = None) -> Iterator[Advance]:
    """Show `description` with done/total, rate and ETA; yields the function that advances it.

    `unit`: of the work; `rate`: of what the rate counts, where that is another: a file is bytes, and done in bases/s.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task(printable(description), total=total, done="", rate="")
        began, counted_so_far = time.perf_counter(), 0.0

        def advance(amount: float, /, counted: float | None = None) -> None:
            nonlocal counted_so_far
            progress.advance(task, amount)
            counted_so_far += amount if counted is None else counted
            completed, seconds = progress.tasks[task].completed, time.perf_counter() - began
            done = f"{completed / total:4.0%}" if total else f"{_short(completed)}{unit}"
            speed = f"{_short(counted_so_far / seconds)}{rate or unit}/s" if seconds > 0 else ""
            progress.update(task, done=done, rate=speed)

        yield advance


def _short(value: float) -> str:
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.1f} {prefix}"
    return f"{value:.1f} "
