"""Outputs that exist whole or not at all: written under a temporary name, synced, then renamed.

A process that is killed leaves its temporary output, which the next one for the same output removes. The lock that the
kernel lets go of with a process tells what was left from what another process is writing.
"""

import contextlib
import ctypes
import errno
import fcntl
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foundation.errors import InputError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes that name, on failure it is removed."""
    path = Path(path)
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
    with _temporary(path, tempfile.mkstemp) as temporary:
        try:
            with full_disk(path):
                yield temporary
                sync(temporary)
            temporary.chmod(0o666 & ~_umask())
            with _refusals(path):
                temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path, *, mark: str, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; on success it takes that name, on failure it is removed.

    An existing, non-empty `path` is an error unless `overwrite`; then the old one stays until the new one is whole.
    `mark` is the name of a file that outputs of this kind have: a directory without it is never replaced.
    """
    path = Path(path)
    check_replaceable(path, mark=mark, overwrite=overwrite)
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
    with _temporary(path, tempfile.mkdtemp) as temporary:
        try:
            with full_disk(path):
                yield temporary
                for file in [*temporary.rglob("*"), temporary]:
                    sync(file)
            put_in_place(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_writable(*paths: Path | None) -> None:
    """That files of these names can be written, told before the work whose results they are to hold; None is left out.

    Errors: `InputError` for a directory in their place, a disk that is full or read-only, or one that has gone.
    """
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise InputError("is a directory, a file was expected", where=path, fix="Choose another output.")
        with _refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent) as file:
                file.write(b"0")
                file.flush()


def check_replaceable(path: Path, *, mark: str, overwrite: bool) -> None:
    """That a directory may take the name `path`, as `atomic_directory` says. Errors: `InputError`."""
    if path.exists() and not path.is_dir():
        raise InputError("is a file, a directory was expected", where=path, fix="Choose another output.")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise InputError("already exists", where=path, fix="Choose another output, or pass --overwrite to replace it.")
    if path.is_dir() and any(path.iterdir()) and not (path / mark).exists():
        raise InputError(f"has no {mark}, so it is not replaced", where=path, fix="Choose another output.")


def put_in_place(directory: Path, path: Path) -> None:
    """Give a directory that is whole and durable the name `path`, in the place of what was there."""
    directory.chmod(0o777 & ~_umask())
    with _refusals(path):
        _swap(directory, path)
    sync(path.parent)


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
        raise InputError(problem, where=path, fix="Free some space, or choose an output elsewhere.") from error


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What the file system refuses about the name `path`, as an `InputError`."""
    try:
        yield
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}"
        raise InputError(problem, where=path, fix="Choose an output elsewhere.") from error


def _swap(new: Path, path: Path) -> None:
    if not (path.is_dir() and any(path.iterdir())):
        new.replace(path)
    elif _exchange(new, path):
        shutil.rmtree(new)
    else:  # a kill between the next two lines leaves both, under temporary names
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
        path.replace(old)
        new.replace(path)
        shutil.rmtree(old)


def _exchange(a: Path, b: Path) -> bool:
    """Let two names change places, at once; false where the system or the file system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    at_cwd, exchange = -100, 2
    names = os.fsencode(a.absolute()), os.fsencode(b.absolute())
    return rename is not None and rename(at_cwd, names[0], at_cwd, names[1], exchange) == 0


@contextmanager
def _temporary(path: Path, make: Callable[..., Any]) -> Iterator[Path]:
    """A new temporary file or directory beside `path`, and a lock on it."""
    with contextlib.ExitStack() as stack:
        while True:
            with _refusals(path):
                made = make(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
            if isinstance(made, tuple):  # mkstemp's
                os.close(made[0])
                made = made[1]
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(held(Path(made), wait=True))
            if Path(made).exists():  # else another process took it for one that was left, before it was locked
                break
        yield Path(made)


@contextmanager
def held(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock on a file or a directory; false where another process does. The kernel frees it with the process.

    Where the file system has no locks, nobody holds any: the answer is false.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            mine = True
        except OSError:
            mine = False
        yield mine
    finally:
        os.close(handle)


def _remove_left(path: Path) -> None:
    """Remove what processes that were killed had written for the output `path`."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(FileNotFoundError), held(left) as stale:
            if stale and left.exists():
                print(f"removed {left}, which an interrupted command had left", file=sys.stderr)
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a directory, are durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
