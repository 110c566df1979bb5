"""One process at a time trains in a run's directory."""

import errno
import fcntl
import os
import socket
from pathlib import Path

from conduct.errors import InputError

NAME = ".lock"


def hold(run_dir: Path) -> None:
    """Lock `run_dir` for this process, as long as it lives: the handle stays open.

    A record lock, which a forked process does not inherit: one that outlives a killed run, writing a checkpoint, does
    not keep the next start away. Where the file system has no locks, nobody is refused.
    Errors: `InputError` naming the process that holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / NAME
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            return
        holder = os.read(handle, 100).decode(errors="replace").strip()
        os.close(handle)
        fix = "Wait for it, end it, or give another run_dir."
        raise InputError(f"another process trains here ({holder})", where=run_dir, fix=fix) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
