"""What a disk refuses while an output is written, as errors of the user's; and waiting until it is durable."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foundation.errors import InputError

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file is too large for its disk",
}
"""Error numbers of a disk that cannot take more; no reading gives them."""


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """A disk that is full while `path` is written, as an `InputError`; libraries wrap that error in their own."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not (isinstance(cause, OSError) and cause.errno in FULL):
            cause = cause.__cause__ or cause.__context__
        if cause is None or isinstance(error, InputError):
            raise
        problem = f"cannot be written: {FULL[cause.errno or 0]}"
        raise InputError(
            problem, where=path, fix="Free some space, or choose an output elsewhere.", kind="disk-full"
        ) from error


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """What the file system refuses about the name `path`, as an `InputError`."""
    try:
        yield
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}"
        raise InputError(problem, where=path, fix="Choose an output elsewhere.", kind="cannot-be-written") from error


def sync(path: Path) -> None:
    """Wait until a file, or the names in a directory, are durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
