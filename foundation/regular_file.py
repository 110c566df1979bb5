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


def open_regular(path: Path, *, fix: str = "Write its content to a file, and give that.") -> io.FileIO:
    """`path`, opened to read bytes, unbuffered.

    Errors: `OSError` as `open` has it, also for a directory; `InputError` for what is neither file nor directory.
    """
    _check(os.stat(path).st_mode, path, fix)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may be another thing by now
    try:
        _check(os.fstat(handle).st_mode, path, fix)
        return io.FileIO(handle)
    except BaseException:
        os.close(handle)
        raise


def _check(mode: int, path: Path, fix: str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise InputError(f"is {kind}, a file was expected", where=path, fix=fix, kind="not-a-regular-file")
