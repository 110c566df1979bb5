"""What the tests of the engines run in workers; written as shards are: a temporary name, then the real one."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from foundation.atomic import atomic_file
from foundation.errors import InputError


def write_shard(folder: Path, task: int) -> None:
    with atomic_file(folder / f"shard-{task}") as temporary:
        temporary.write_text(f"{os.getpid()}")


def fail_at(folder: Path, bad: int, task: int) -> None:
    """Task `bad` fails once another one runs; the others would run for a minute."""
    if task == bad:
        while not list(folder.glob("pid-*")):
            time.sleep(0.01)
        raise InputError("is bad", where=f"shard {task}", kind="bad")
    hang(folder, task)


def hang(folder: Path, task: int) -> None:
    """Write a shard for a minute."""
    with atomic_file(folder / f"shard-{task}") as temporary:
        temporary.write_text("half")
        (folder / f"pid-{os.getpid()}").touch()
        for _ in range(6000):  # not one long sleep, which Ray does not interrupt
            time.sleep(0.01)


def die_at(folder: Path, bad: int, task: int) -> None:
    """Task `bad` ends its process as the kernel does when memory runs out."""
    if task == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    write_shard(folder, task)


def die_once(folder: Path, bad: int, task: int) -> None:
    """As `die_at`, the first time only."""
    mark = folder / "died"
    if task == bad and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    write_shard(folder, task)


def main() -> None:
    """`python shard_cases.py FOLDER`: four tasks that hang, on two processes."""
    from foundation.engines.local import LocalEngine

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    LocalEngine(2).run(range(4), partial(hang, Path(sys.argv[1])), print)


if __name__ == "__main__":
    main()
