"""Temporary outputs beside the real one, each with a lock on it.

A process that is killed leaves its temporary output, which the next one for the same output removes. The lock that the
kernel lets go of with a process tells what was left from what another process is writing.
"""

import contextlib
import fcntl
import glob
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foundation.disk import refusals
from foundation.terminal import warn


@contextmanager
def temporary_beside(path: Path, make: Callable[..., Any]) -> Iterator[Path]:
    """A new temporary file or directory beside `path`, and a lock on it."""
    with contextlib.ExitStack() as stack:
        while True:
            with refusals(path):
                made = make(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
            if isinstance(made, tuple):  # mkstemp's
                os.close(made[0])
                made = made[1]
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(locked(Path(made), wait=True))
            if Path(made).exists():  # else another process took it for one that was left, before it was locked
                break
        yield Path(made)


def remove_stale(path: Path) -> None:
    """Remove what processes that were killed had written for the output `path`."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.{'[a-z0-9_]' * 8}.tmp"):  # as `tempfile` names them
        with contextlib.suppress(FileNotFoundError), locked(left) as stale:
            if stale and left.exists():
                warn(f"removed {left}, left by an interrupted command")
                shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock on a file or a directory; false where another process does. The kernel frees it with the process.

    False if the file system has no locks.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            acquired = True
        except OSError:
            acquired = False
        yield acquired
    finally:
        os.close(handle)
