"""Runs of the tiny model that save at each step, and what kills them."""

import contextlib
import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nemo_process import nemo

SYNCHRONOUS, ASYNCHRONOUS = "false", "true"
STEPS = 5


def arguments(run: Path, corpus: Path, steps: int, *, asynchronous: str, keep: int = 2) -> list[str]:
    """`nemo llm pretrain` with a checkpoint at each step and a validation at each second."""
    return [
        "llm",
        "pretrain",
        "--factory",
        f"llama3_tiny_genomic(run_dir='{run}')",
        "-y",
        f"data.corpus={corpus}",
        "data.seq_length=64",
        "model.config.seq_length=64",
        "data.micro_batch_size=2",
        "data.global_batch_size=4",
        f"trainer.max_steps={steps}",
        "trainer.val_check_interval=2",
        "trainer.limit_val_batches=2",
        "log.ckpt.every_n_train_steps=1",
        f"log.ckpt.save_top_k={keep}",
        f"trainer.strategy.ckpt_async_save={asynchronous}",
    ]


def train(run: Path, corpus: Path, steps: int, *, asynchronous: str = SYNCHRONOUS, keep: int = 2) -> str:
    """Train to `steps`, or go on to them; what was printed."""
    log = run.with_suffix(".log")
    status = nemo(*arguments(run, corpus, steps, asynchronous=asynchronous, keep=keep), log=log)
    assert status == 0, log.read_text()[-3000:]
    return log.read_text()


def start(run: Path, corpus: Path, steps: int, *, asynchronous: str) -> Any:
    """The same without waiting for it, in a process group of its own."""
    process = multiprocessing.get_context("forkserver").Process(
        target=_in_own_group,
        args=(arguments(run, corpus, steps, asynchronous=asynchronous), run.with_suffix(".log")),
    )
    process.start()
    return process


def kill(process: Any, seconds_for_orphans: float) -> None:
    """kill -9 of the process alone; what it had forked to write checkpoints outlives it a while, as it would."""
    process.kill()
    process.join()
    time.sleep(seconds_for_orphans)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def hold_and_fork(run: Path, ready: Connection) -> None:
    """Hold a run, and fork a process that outlives this one, as the saving of checkpoints does; sends its id."""
    from training.checkpointing.lock import hold

    hold(run)
    if forked := os.fork():
        ready.send(forked)
    signal.pause()


def _in_own_group(arguments: list[str], log: Path) -> None:
    from nemo_process import _call, _nemo

    os.setpgid(0, 0)
    _call(_nemo, (arguments, None), log)
