"""Training loops of several processes that take turns on one machine, a few steps each."""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

_SPAWN = multiprocessing.get_context("spawn")


class Turn(NamedTuple):
    """What one turn took, on the clock and of the processor (all threads of the process), in seconds."""

    clock: float
    processor: float
    losses: list[float]


class Turns:
    """One side of the game, inside a training loop: `step` after each step, which waits between turns.

    The first turn is a warm-up.
    """

    def __init__(self, connection: Connection, steps: int) -> None:
        self._connection, self._steps = connection, steps
        self._losses: list[float] = []
        self._began = time.perf_counter(), time.process_time()

    def step(self, loss: float) -> None:
        """Count a step; at the end of a turn tell its seconds and losses, and wait for the next."""
        self._losses.append(loss)
        if len(self._losses) < self._steps:
            return
        clock, processor = self._began
        self._connection.send(Turn(time.perf_counter() - clock, time.process_time() - processor, self._losses))
        self._connection.recv()
        self._losses, self._began = [], (time.perf_counter(), time.process_time())


def take_turns(
    players: Mapping[str, Callable[..., None]], arguments: tuple[Any, ...], *, rounds: int, steps: int
) -> dict[str, list[Turn]]:
    """The turns of each player `run(turns, *arguments)`, the first of them a warm-up.

    Each trains `(rounds + 1) * steps` steps in a process of its own. Who is first in a round changes.
    Errors: `EOFError` where one of them ends too early; what it said is on the standard error.
    """
    connections, processes = {}, []
    for name, run in players.items():
        here, there = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_play, args=(run, there, steps, arguments), daemon=False)
        process.start()
        there.close()
        connections[name] = here
        processes.append(process)
    turns: dict[str, list[Turn]] = {name: [] for name in players}
    try:
        for name, connection in connections.items():
            turns[name].append(connection.recv())
        for number in range(rounds):
            for name in players if number % 2 else reversed(players):
                connections[name].send("go on")
                turns[name].append(connections[name].recv())
    finally:
        for process in processes:
            process.kill()
            process.join()
    return turns


def at_least_two(text: str) -> int:
    """For argparse: how many turns, of which there are quartiles."""
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError("quartiles need 2 or more")
    return number


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> tuple[float, float, float]:
    """How many times as fast ours is, turn by turn: the lower quartile, the median, the upper quartile."""
    low, middle, high = statistics.quantiles([their / own for their, own in zip(theirs, ours, strict=True)], n=4)
    return low, middle, high


def _play(run: Callable[..., None], connection: Connection, steps: int, arguments: tuple[Any, ...]) -> None:
    run(Turns(connection, steps), *arguments)
