"""Runs on pretended GPUs, each in a process of its own, forked from a server that has imported NeMo once.

The server is another than `nemo_process`'s: Megatron-Core looks for Transformer Engine when it is imported.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest.mock import patch

from nemo_process import run_in_process, train_over

_SERVER = forkserver.ForkServer()
_SERVER.set_forkserver_preload(["gpu_preload"])

HOPPER, BLACKWELL = (9, 0), (10, 0)


def train_on_gpus(
    ranks: int,
    *arguments: str,
    log: Path,
    capability: tuple[int, int] = HOPPER,
    seconds: float = 300,
    before: Callable[[], None] | None = None,
    target: Callable[[list[str]], None] | None = None,
) -> int:
    """`python -m recipes.train ARGUMENTS` on `ranks` GPUs of one machine, a process each; the exit status.

    `before`: called first in each. `target`: what is called with the arguments instead.
    """
    first = functools.partial(_begin, ranks, capability, before)
    with _served():
        return train_over(ranks, *arguments, log=log, seconds=seconds, before=first, target=target)


def run_on_gpus(target: Callable[..., Any], *arguments: Any, log: Path, named: bool = False) -> int:
    """Exit status of `target(*arguments)` in a process with a pretended GPU, which tensors name where `named`."""
    with _served():
        return run_in_process(_on_gpu, target, arguments, named, log=log)


_FOR_EVER = contextlib.ExitStack()


def _begin(gpus: int, capability: tuple[int, int], then: Callable[[], None] | None) -> None:
    """Pretend GPUs until the process ends."""
    from benchmarks.emulated_gpu.devices import pretended_gpus

    _FOR_EVER.enter_context(pretended_gpus(gpus, capability))
    if then is not None:
        then()


def _on_gpu(target: Callable[..., Any], arguments: tuple[Any, ...], named: bool) -> None:
    from benchmarks.emulated_gpu.devices import pretended_gpus

    with pretended_gpus(named=named):
        target(*arguments)


def run_with_engine(target: Callable[..., Any], *arguments: Any, log: Path, seconds: float = 300) -> int:
    """Exit status of `target(*arguments)` in a process with Transformer Engine, and no GPU until it pretends one."""
    with _served():
        return run_in_process(target, *arguments, log=log, seconds=seconds)


@contextlib.contextmanager
def _served() -> Iterator[None]:
    """Processes that start in this context are forked from the server with Transformer Engine."""
    here = Path(__file__).parent
    with patch.dict(os.environ, {"PYTHONPATH": os.pathsep.join(map(str, (here, here.parents[1])))}):
        _SERVER.ensure_running()  # it looks for what it imports there, not where this process does
    with patch.object(forkserver, "connect_to_new_process", _SERVER.connect_to_new_process):
        yield
