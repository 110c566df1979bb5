"""What a command that can be cut into shards says of itself: how its work is cut, computed, and written.

The work is cut into units. A unit is computed alone, so its numbers do not depend on who computes it, or after what.
Results are written from the payloads of all units, in order; whether these come from the model or from the parts of
shards makes no difference to a byte.

A command has a request, which is plain values, and a job, which is the request with its sources opened.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy.typing as npt

from evaluation.finished import Work
from foundation.progress import Advance

Item = TypeVar("Item")
Result_co = TypeVar("Result_co", covariant=True)

Payload = Mapping[str, npt.NDArray[Any]]
"""What was computed of a unit: arrays by name."""

Compute = Callable[[list[Item], Advance], Payload]
"""Computes one unit, and tells how far it is, in the unit of the progress bar: `amount` of all items in the end."""

Results = Iterable[tuple[list[Item], Payload]]
"""Every unit with its payload, in order."""

UNIT_TOKENS, UNIT_WINDOWS = 1 << 15, 16


class Units(Protocol[Item]):
    """Work that is cut into units."""

    def units(self) -> Iterator[list[Item]]:
        """All of its units, in order; the same for anyone who asks."""
        ...

    def work(self, item: Item) -> int:
        """What an item costs, in tokens that the model reads: by this the units are shared out."""
        ...

    def amount(self, item: Item) -> float:
        """What an item is in the unit of the progress bar."""
        ...


class Job(Units[Item], Protocol[Item, Result_co]):
    """A request with its sources opened."""

    @property
    def progress(self) -> "Progress":
        """How its progress is shown."""
        ...

    def load(self, device: str | None) -> Compute[Item]:
        """Load the model on `device` (None: the first GPU, or the CPU), to compute with it."""
        ...

    def finish(self, results: Results[Item]) -> tuple[Result_co, Sequence[Path]]:
        """Write the outputs from all results: what to tell of them, and the files. At an error none is written."""
        ...


class Request(Protocol):
    """What a command is asked for: a frozen dataclass that `foundation.typed` reads."""

    def __hash__(self) -> int: ...

    @property
    def command(self) -> str: ...

    @property
    def batch_size(self) -> int | None: ...

    @property
    def out(self) -> Path:
        """The output after which the parts of shards are named. Errors: `InputError` where none is asked for."""
        ...

    @property
    def journal(self) -> Path | None:
        """Where a run that is not cut keeps what it has so far; None where it does not."""
        ...

    def check(self) -> None:
        """Refuse what can be known to be wrong before any work. Errors: `InputError`."""
        ...

    def made(self, *, overwrite: bool = False) -> Work:
        """What decides the result, and the files that it is written to."""
        ...

    def at(self, out: Path) -> "Request":
        """The same, written to `out` instead."""
        ...

    def open(self) -> Job[Any, Any]:
        """Open the sources, which are checked."""
        ...


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A progress bar: what it says, `total` where it is known, and the `unit` of both."""

    description: str
    unit: str
    total: float | None = None


def at_once(job: Units[Item], compute: Callable[[list[Item]], Payload]) -> Compute[Item]:
    """Compute units of `job` that are so short that progress is reported at their end."""

    def computed(unit: list[Item], advance: Advance) -> Payload:
        payload = compute(unit)
        advance(sum(map(job.amount, unit)))
        return payload

    return computed


def unit_tokens(context_length: int) -> int:
    """Tokens of a unit: sixteen windows, or as many as keep a GPU busy where windows are short."""
    return max(UNIT_TOKENS, UNIT_WINDOWS * context_length)


def cut(items: Iterable[Item], tokens: int, work: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Units of `tokens` at least; the last may be smaller. Where one ends depends on what comes before it alone."""
    unit: list[Item] = []
    room = tokens
    for item in items:
        unit.append(item)
        room -= work(item)
        if room <= 0:
            yield unit
            unit, room = [], tokens
    if unit:
        yield unit
