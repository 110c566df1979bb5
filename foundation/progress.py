"""What a command prints while it works, on standard error. One rule for all of them:

1. A line at once: what is begun, before anything slow is imported or loaded.
2. On a terminal a bar with rate and time left; elsewhere a line every 30 seconds, whether work was done in them or not.
3. What is finished is not done again: see `foundation.receipt`.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol

from foundation.terminal import printable, warn, without_printing

EVERY = 30.0
"""Seconds between two lines if standard error is not a terminal."""


class Advance(Protocol):
    """Call with the work just done, in the bar's unit; `counted`: in the unit of the rate, where that is another."""

    def __call__(self, amount: float, /, counted: float | None = None) -> None: ...


def no_progress(amount: float, /, counted: float | None = None) -> None:
    """Shows no progress."""


@contextmanager
def progress_bar(description: str, *, total: float | None, unit: str, rate: str | None = None) -> Iterator[Advance]:
    """Show `description` with done/total, rate and ETA; yields the function that advances it.

    `unit`: of the work; `rate`: of what the rate counts, where that is another: a file is bytes, and done in bases/s.
    """
    work = _Work(description, total, unit, rate or unit)
    with _display.get()(work):
        yield work.advance


@contextmanager
def called_from_python(*, progress: bool) -> Iterator[None]:
    """Inside, nothing is printed: warnings are Python's. With `progress`, bars are tqdm's: widgets in Jupyter."""
    token = _display.set(_tqdm if progress else _hidden)
    try:
        with without_printing():
            yield
    finally:
        _display.reset(token)


class _Work:
    """How much is done of how much, since when. Two threads may look; one adds."""

    def __init__(self, description: str, total: float | None, unit: str, rate: str) -> None:
        self.description, self.total, self.unit, self._rate = description, total, unit, rate
        self.completed, self._counted, self._began = 0.0, 0.0, time.perf_counter()
        self.changed: Callable[[], None] = lambda: None

    def advance(self, amount: float, /, counted: float | None = None) -> None:
        self.completed += amount
        self._counted += amount if counted is None else counted
        self.changed()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    @property
    def done(self) -> str:
        if self.total:
            return f"{self.completed / self.total:4.0%}"
        return f"{_short(self.completed)}{self.unit}".replace("  ", " ")

    @property
    def speed(self) -> str:
        return f"{_short(self._counted / self.seconds)}{self._rate}/s".replace("  ", " ") if self.seconds > 0 else ""

    @property
    def line(self) -> str:
        """For a log: what, how far, how fast, and how long it may still take."""
        parts = [self.done.strip(), self.speed, f"{clock(self.seconds)} so far"]
        if self.total and 0 < self.completed < self.total:
            parts.append(f"about {clock(self.seconds * (self.total - self.completed) / self.completed)} left")
        return f"{self.description}: {', '.join(part for part in parts if part)}"


@contextmanager
def _lines(work: _Work) -> Iterator[None]:
    """A line at the start, one every 30 seconds, and one at the end; of what fails, none at the end."""
    warn(f"{work.description}: started")
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY):
            warn(work.line)

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    warn(work.line)


@contextmanager
def _bar(work: _Work) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[work].done}", markup=False),
        TextColumn("{task.fields[work].speed}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task(printable(work.description), total=work.total, work=work)
        work.changed = lambda: progress.update(task, completed=work.completed)
        yield


@contextmanager
def _tqdm(work: _Work) -> Iterator[None]:
    from tqdm.auto import tqdm

    with tqdm(total=work.total, desc=printable(work.description), unit=work.unit, unit_scale=True) as bar:
        work.changed = lambda: bar.update(work.completed - bar.n)
        yield


def _hidden(work: _Work) -> AbstractContextManager[None]:
    del work
    return nullcontext()


def _on_standard_error(work: _Work) -> AbstractContextManager[None]:
    return _bar(work) if sys.stderr.isatty() else _lines(work)


_display: ContextVar[Callable[[_Work], AbstractContextManager[None]]] = ContextVar(
    "display", default=_on_standard_error
)


def clock(seconds: float) -> str:
    """Seconds as 0:05, 1:30 or 2:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(value: float) -> str:
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.1f} {prefix}"
    return f"{value:.1f} "
