"""Speed of inference against the usual ways: same model, work, threads and machine, in turns.

python -m benchmarks.inference [ROW...] [--rounds 3] [--threads 2]

Each row is a function that plays its sides against one another (`benchmarks.turns`) and returns what it found. The
model has the size of the demo's (three million parameters) and random weights; speed does not depend on them.
"""

import argparse
import os
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from benchmarks import inference_windows as windows
from benchmarks.turns import Turn, ratios


class Found(NamedTuple):
    """How many times as fast ours is: lower quartile, median, upper quartile. `peer`: which of its ways was best."""

    peer: str
    ratios: tuple[float, float, float]
    ours: str
    theirs: str


class Row(NamedTuple):
    work: str
    target: str
    play: Callable[[int, int], Found]


def main() -> None:
    """Print a table, a row as soon as it is measured."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("rows", nargs="*", choices=[*ROWS, []], help="all, unless given")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=2, help="of each process")
    given = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # for both sides: threads that spin cost whoever shares the machine
    print("| work | peer, its best way | ours to theirs: median (quartiles) | target | ours | theirs |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in given.rows or ROWS:
        row = ROWS[name]
        found = row.play(given.rounds, given.threads)
        low, middle, high = found.ratios
        print(f"| {row.work} | {found.peer} | **{middle:.2f} x** ({low:.2f} to {high:.2f}) | {row.target} ", end="")
        print(f"| {found.ours} | {found.theirs} |", flush=True)


def best(turns: Mapping[str, list[Turn]], amount: float, unit: str) -> Found:
    """`ours` against the peer whose median turn is the shortest; `amount`: work of a turn, for the rates."""
    clocks = {name: [turn.clock for turn in some[1:]] for name, some in turns.items()}  # the first is a warm-up
    ours = clocks.pop("ours")
    peer = min(clocks, key=lambda name: statistics.median(clocks[name]))
    rates = [f"{amount / statistics.median(some):,.0f} {unit}/s" for some in (ours, clocks[peer])]
    return Found(peer, ratios(clocks[peer], ours), *rates)


def embed(sequences: int, rounds: int, threads: int) -> Found:
    """Embeddings of sequences of 200 to 2,000 bases, against a plain loop sorted by length."""
    turns = windows.embed(sequences, (1, 4, 16), rounds, threads)
    return best(turns, windows.bases_of(sequences), "bases")


def mutate(bases: int, rounds: int, threads: int) -> Found:
    """All SNVs of a region in windows of 2,048 bases, against whole windows in batches."""
    return best(windows.mutate(bases, (1, 4, 16), rounds, threads), 3 * bases, "mutants")


ROWS = {
    "embed": Row("embed, 2,000 sequences of 200 to 2,000 bases", "1.2 x", partial(embed, 2000)),
    "embed-short": Row("embed, 40 sequences of 200 to 2,000 bases", "1.2 x", partial(embed, 40)),
    "mutate": Row("mutate, 600 SNVs of 200 bases, windows of 2,048", "3 x", partial(mutate, 200)),
    "mutate-short": Row("mutate, 60 SNVs of 20 bases, windows of 2,048", "3 x", partial(mutate, 20)),
}

if __name__ == "__main__":
    main()
