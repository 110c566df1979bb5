"""Training runs, each in a process of its own, forked from a server that has imported NeMo once.

A process of its own, because NeMo and Megatron-Core keep global state; forked, because importing NeMo takes half a
minute; from a server that ran no tensor operation, because OpenMP does not survive a fork after one.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["recipes.factories"])


def run_in_process(target: Callable[..., Any], *arguments: Any, log: Path, seconds: float = 240) -> int:
    """Exit status of `target(*arguments)`, which must be importable by name; what it prints goes to `log`."""
    process = _CONTEXT.Process(target=_call, args=(target, arguments, log))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f"still running after {seconds} s: {log.read_text()[-2000:]}")
    assert process.exitcode is not None
    return process.exitcode


def train(*arguments: str, log: Path) -> int:
    """`python -m recipes.train ARGUMENTS`."""
    return run_in_process(_train, list(arguments), log=log)


def nemo(*arguments: str, log: Path, home: Path | None = None) -> int:
    """`nemo ARGUMENTS`; what NeMo-Run keeps of it goes to `home`."""
    return run_in_process(_nemo, list(arguments), home, log=log)


def _train(arguments: list[str]) -> None:
    from recipes.train import main

    sys.argv = ["recipes.train", *arguments]
    sys.exit(main(arguments))


def _nemo(arguments: list[str], home: Path | None) -> None:
    if home is not None:
        os.environ["NEMORUN_HOME"] = str(home)
    sys.argv = ["nemo", *arguments]
    from nemo_run.__main__ import app  # reads sys.argv

    app()


def _call(target: Callable[..., Any], arguments: tuple[Any, ...], log: Path) -> None:
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "WORLD_SIZE"):
        os.environ.pop(name, None)  # another process's rendezvous
    target(*arguments)
