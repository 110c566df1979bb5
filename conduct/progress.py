"""A progress bar with rate and time left, on standard error; one line at the end where that is no terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Call with the amount of work just done, in the bar's unit."""

    def __call__(self, amount: float, /) -> None: ...


@contextmanager
def progress_bar(description: str, *, total: float | None, unit: str) -> Iterator[Advance]:
    """Show `description` with done/total, rate in `unit`/s and ETA; yields the function that advances it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task(description, total=total, done="", rate="")

        def advance(amount: float, /) -> None:
            progress.advance(task, amount)
            completed, speed = progress.tasks[task].completed, progress.tasks[task].speed
            done = f"{completed / total:4.0%}" if total else f"{_short(completed)}{unit}"
            progress.update(task, done=done, rate=f"{_short(speed)}{unit}/s" if speed else "")

        yield advance


def _short(value: float) -> str:
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.1f} {prefix}"
    return f"{value:.1f} "
