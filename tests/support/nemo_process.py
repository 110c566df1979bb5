"""Training runs, each in a process of its own, forked from a server that has imported NeMo once.

A process of its own, because NeMo and Megatron-Core keep global state; forked, because importing NeMo takes half a
minute; from a server that ran no tensor operation, because OpenMP does not survive a fork after one.
"""

import multiprocessing
import multiprocessing.connection
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["recipes.nemo_import", "recipes.factories"])


def run_in_process(target: Callable[..., Any], *arguments: Any, log: Path, seconds: float = 240) -> int:
    """Exit status of `target(*arguments)`, which must be importable by name; what it prints goes to `log`."""
    return _finish([_CONTEXT.Process(target=_call, args=(target, arguments, log))], [log], seconds)


def train(*arguments: str, log: Path) -> int:
    """`python -m recipes.train ARGUMENTS`."""
    return run_in_process(_train, list(arguments), log=log)


def train_over(
    ranks: int,
    *arguments: str,
    log: Path,
    seconds: float = 240,
    before: Callable[[], None] | None = None,
    target: Callable[[list[str]], None] | None = None,
) -> int:
    """The same in `ranks` processes on gloo, as torchrun starts them; each has a log of its own beside the first's.

    `before`: called first in each. `target`: what is called with the arguments in place of `recipes.train`.
    """
    logs = [log if rank == 0 else log.with_name(f"{log.name}.{rank}") for rank in range(ranks)]
    return _finish(_ranks(logs, arguments, before, target), logs, seconds)


def statuses_over(ranks: int, *arguments: str, log: Path, seconds: float = 240) -> list[int | None]:
    """The exit status of each rank, as `train_over` starts them, when all have ended by themselves."""
    logs = [log.with_name(f"{log.name}.{rank}") for rank in range(ranks)]
    processes = _ranks(logs, arguments, None)
    for process in processes:
        process.start()
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    statuses = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return statuses


def _ranks(
    logs: list[Path],
    arguments: Sequence[str],
    before: Callable[[], None] | None,
    target: Callable[[list[str]], None] | None = None,
) -> list[Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        _CONTEXT.Process(
            target=_call, args=(_train_rank, (rank, len(logs), port, list(arguments), before, target), log)
        )
        for rank, log in enumerate(logs)
    ]


def nemo(*arguments: str, log: Path, home: Path | None = None) -> int:
    """`nemo ARGUMENTS`; what NeMo-Run keeps of it goes to `home`."""
    return run_in_process(_nemo, list(arguments), home, log=log)


def _train(arguments: list[str]) -> None:
    from recipes.train import main

    sys.argv = ["recipes.train", *arguments]
    sys.exit(main(arguments))


def _train_rank(
    rank: int,
    ranks: int,
    port: int,
    arguments: list[str],
    before: Callable[[], None] | None,
    target: Callable[[list[str]], None] | None,
) -> None:
    import torch

    if before is not None:
        before()

    torch.set_num_threads(1)
    ours = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in ours.items()} | {"TORCHELASTIC_RUN_ID": "test"})
    (target or _train)(arguments)


def _nemo(arguments: list[str], home: Path | None) -> None:
    if home is not None:
        os.environ["NEMORUN_HOME"] = str(home)
    sys.argv = ["nemo", *arguments]
    from nemo_run.__main__ import app  # reads sys.argv

    app()


def _finish(processes: list[Any], logs: list[Path], seconds: float) -> int:
    """Start them and wait; the exit status that is not 0, where one is not, and the others are ended then."""
    deadline = time.monotonic() + seconds
    for process in processes:
        process.start()
    try:
        while any(process.exitcode is None for process in processes):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still running after {seconds} s: {logs[0].read_text()[-2000:]}")
            if failed := next((process.exitcode for process in processes if process.exitcode), None):
                return int(failed)
            multiprocessing.connection.wait([process.sentinel for process in processes if process.is_alive()], 5)
        return int(next((process.exitcode for process in processes if process.exitcode), 0))
    finally:
        for process in processes:
            process.kill()
            process.join()


def _call(target: Callable[..., Any], arguments: tuple[Any, ...], log: Path) -> None:
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "WORLD_SIZE"):
        os.environ.pop(name, None)  # another process's rendezvous
    target(*arguments)
