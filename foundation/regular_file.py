"""Files opened without waiting: a pipe, a socket or a device is refused before it can hold the process."""

import errno
import io
import os
import stat
from pathlib import Path

from foundation.errors import InputError

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path) -> io.FileIO:
    """`path`, opened to read bytes, unbuffered. Errors: those of `opener`."""
    return io.FileIO(path, opener=opener)


def opener(path: str | Path, flags: int) -> int:
    """For `open(path, "rb", opener=opener)`.

    Errors: `OSError` as `open` has it, also for a directory; `InputError` for what is neither file nor directory.
    """
    _check(os.stat(path).st_mode, path)
    handle = os.open(path, flags | os.O_NONBLOCK)  # it may be another thing by now
    try:
        _check(os.fstat(handle).st_mode, path)
        return handle
    except BaseException:
        os.close(handle)
        raise


def _check(mode: int, path: str | Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        fix = "Give a file; `prepare` reads standard input as -."
        raise InputError(f"is {kind}, a file was expected", where=path, fix=fix, kind="not-a-regular-file")
