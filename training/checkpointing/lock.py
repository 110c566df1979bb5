"""One process at a time trains in a run's directory."""

import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

from foundation.errors import InputError

NAME = ".lock"


def hold(run_dir: Path) -> None:
    """Lock `run_dir` for this process, as long as it lives: the handle stays open.

    This is a record lock, which forked processes do not inherit. A process that outlives a killed run, to write a
    checkpoint, therefore does not block the next start. If the file system has no locks, no process is refused.
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
        process = _written(handle)
        os.close(handle)
        fix = "Wait for it, end it, or give another run_dir."
        raise InputError(
            f"another process trains here ({process})", where=run_dir, fix=fix, kind="run-in-use"
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def holder(run_dir: Path) -> str:
    """The process that trains in `run_dir`, as it recorded itself; "" if there is none or it is unknown.

    Only asks: a lock that is taken for a moment could turn away a run that starts in it.
    """
    try:
        handle = os.open(run_dir / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, *_ = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
        return "" if kind == fcntl.F_UNLCK else _written(handle)
    except OSError:
        return ""
    finally:
        os.close(handle)


_FLOCK = "hhqqi4x"
"""`struct flock` of 64-bit Linux: type, whence, start, length, process."""


def _written(handle: int) -> str:
    return os.pread(handle, 100, 0).decode(errors="replace").strip()
