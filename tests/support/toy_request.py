"""A request whose units are numbers and whose model is a square, so that workers start fast; some of them die."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.finished import Work
from evaluation.sharding.job import Compute, Payload, Progress, Results, at_once, cut
from foundation.atomic import atomic_file
from foundation.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ToyRequest:
    """The squares of the numbers in the file `source`. What a number in a list does to its worker, it does once:

    `killed` ends it as the kernel does, `failing` as a broken GPU, and `deadly` always; `stuck` keeps it for a minute;
    `wrong` is bad input.
    """

    model: Path
    source: Path
    out: Path
    killed: tuple[int, ...] = ()
    failing: tuple[int, ...] = ()
    deadly: tuple[int, ...] = ()
    stuck: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    batch_size: int | None = None

    command = "toy"
    journal = None

    def at(self, out: Path) -> "ToyRequest":
        return replace(self, out=out)

    def check(self) -> None: ...

    def made(self, *, overwrite: bool = False) -> Work:
        sources = {"source": self.source}
        return Work(
            command="toy", model=self.model, sources=sources, settings={}, files=[self.out], overwrite=overwrite
        )

    def open(self) -> "ToyJob":
        return ToyJob(self)


class ToyJob:
    def __init__(self, request: ToyRequest) -> None:
        self._request = request
        self.numbers: list[int] = json.loads(request.source.read_text())
        self.progress = Progress(description="Squaring", unit=" numbers", total=len(self.numbers))

    def units(self) -> Iterator[list[int]]:
        return cut(self.numbers, 3, self.work)

    def work(self, number: int) -> int:
        return 1

    def amount(self, number: int) -> float:
        return 1

    def load(self, device: str | None) -> Compute[int]:
        return at_once(self, self._compute)

    def _compute(self, unit: list[int]) -> Payload:
        for number in unit:
            self._harm(number)
            with open(self._request.source.with_name("computed"), "a") as file:
                file.write(f"{number}\n")
        return {"squares": np.array(unit) ** 2}

    def _harm(self, number: int) -> None:
        asked = self._request
        if number in asked.wrong:
            raise InputError("is wrong", where=f"number {number}", kind="wrong-number")
        if number not in (*asked.killed, *asked.failing, *asked.deadly, *asked.stuck):
            return
        mark = asked.source.with_name(f"harmed-{number}")
        if mark.exists() and number not in asked.deadly:
            return
        mark.touch()
        if number in (*asked.killed, *asked.deadly):
            os.kill(os.getpid(), signal.SIGKILL)
        if number in asked.stuck:
            time.sleep(60)
        if number in asked.failing:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")

    def finish(self, results: Results[int]) -> tuple[Any, Sequence[Path]]:
        squares = [square for _, payload in results for square in payload["squares"].tolist()]
        with atomic_file(self._request.out) as temporary:
            temporary.write_text(json.dumps(squares))
        return squares, [self._request.out]


def main() -> None:
    """`python toy_request.py FOLDER`: two processes, of which one is stuck."""
    from toy_request import ToyRequest as Imported  # as the workers import it

    from evaluation.sharding.devices import cpu_places
    from evaluation.sharding.workers import run_everywhere
    from foundation.engines.local import LocalEngine

    folder = Path(sys.argv[1])
    request = Imported(
        model=folder / "model", source=folder / "numbers.json", out=folder / "out.json", stuck=(10,)
    )  # fmt: skip
    run_everywhere(request, LocalEngine(2, apart=True, places=cpu_places(2)), 5)


if __name__ == "__main__":
    main()
