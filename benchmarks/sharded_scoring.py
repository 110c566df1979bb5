"""Two processes of a thread each against one process of two threads: the units of `score`, windows of 512 bases.

python -m benchmarks.sharded_scoring [--model demo/model] [--units 2] [--rounds 3]

All processes are started and loaded before; the sides take turns, on the clock. Bases are random.
"""

import argparse
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

CONTEXT = 512
SIDES = {"one process of two threads": (2,), "two processes of one thread": (1, 1)}
"""Threads of each process."""


def main() -> None:
    """Print a row of a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", type=Path, default=Path("demo/model"))
    options.add_argument("--units", type=int, default=2, help="of a turn, an even number")
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    sides = {name: [_process(given.model, threads) for threads in counts] for name, counts in SIDES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(given.rounds + 1):
        for name in sides if number % 2 else reversed(sides):
            took, tokens = _turn(sides[name], given.units)
            seconds[name] += [took] if number else []  # the first is a warm-up
    one, two = seconds.values()
    ratios = sorted(theirs / ours for theirs, ours in zip(one, two, strict=True))
    rates = " | ".join(f"{tokens / statistics.median(some):,.0f} tokens/s" for some in (one, two))
    shown = f"**{statistics.median(ratios):.2f} x** ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    print(f"| work | {' | '.join(SIDES)} | ratio: median (range) |\n| --- | ---: | ---: | ---: |")
    print(f"| score, windows of {CONTEXT} | {rates} | {shown} |")
    for process in (process for processes in sides.values() for process in processes):
        process.shutdown()


def _process(model: Path, threads: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_load, initargs=(model, threads))


def _turn(processes: list[ProcessPoolExecutor], units: int) -> tuple[float, int]:
    """Seconds in which the processes read so many units together, and their tokens."""
    started = time.perf_counter()
    running = [process.submit(_read, units // len(processes)) for process in processes]
    tokens = sum(one.result() for one in running)
    return time.perf_counter() - started, tokens


_loaded: list[Any] = []


def _load(directory: Path, threads: int) -> None:
    os.environ |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    import torch

    from evaluation.likelihood.likelihood import cut_sequences, plan_reading
    from evaluation.likelihood.model import load_model

    torch.set_num_threads(threads)
    model = load_model(directory, device="cpu")
    random = np.random.default_rng(0)
    bases = np.frombuffer(b"ACGT", dtype=np.uint8)[random.integers(0, 4, 1 << 16)]
    unit = next(cut_sequences([(bases, 0)], context_length=CONTEXT, stride=CONTEXT))
    _loaded[:] = [model, unit, plan_reading(model, context_length=CONTEXT, stride=CONTEXT)]


def _read(units: int) -> int:
    from evaluation.likelihood.likelihood import read_unit

    model, unit, reading = _loaded
    for _ in range(units):
        read_unit(model, unit, reading)
    return units * sum(piece.inputs for piece in unit)


if __name__ == "__main__":
    main()
