"""Outputs that exist whole or not at all: written under a temporary name, synced, then renamed.

A process that is killed leaves its temporary output, which the next one for the same output removes. The lock that the
kernel lets go of with a process tells what was left from what another process is writing.
"""

import contextlib
import ctypes
import errno
import fcntl
import glob
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation.errors import InputError
from foundation.terminal import warn


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes that name, on failure it is removed.

    A link stays, and what it leads to is written. Errors: `InputError`; where a directory has appeared at `path`, what
    was written is kept under another name.
    """
    path = _real_file(path)
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
    with _temporary(path, tempfile.mkstemp) as temporary:
        try:
            with full_disk(path):
                yield temporary
                sync(temporary)
            temporary.chmod(0o666 & ~_umask())
            with _refusals(path), _kept_aside(temporary, path):
                temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path, *, mark: str, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; on success it takes that name, on failure it is removed.

    An existing, non-empty `path` is an error unless `overwrite`; then the old one stays until the new one is whole.
    `mark` is the name of a file that outputs of this kind have: a directory without it is never replaced. A link stays,
    and what it leads to is written.
    Errors: `InputError`; for what appears at `path` meanwhile, as `put_in_place`.
    """
    path = real_directory(path)
    seen = check_replaceable(path, mark=mark, overwrite=overwrite)
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
    with _temporary(path, tempfile.mkdtemp) as temporary:
        try:
            with full_disk(path):
                yield temporary
                for file in [*temporary.rglob("*"), temporary]:
                    sync(file)
            put_in_place(temporary, path, seen)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_writable(*paths: Path | None) -> None:
    """That files of these names can be written, told before the work whose results they are to hold; None is left out.

    Errors: `InputError` for a directory in their place, a disk that is full or read-only, or one that has gone.
    """
    for path in paths:
        if path is None:
            continue
        path = _real_file(path)
        with _refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent) as file:
                file.write(b"0")
                file.flush()


@dataclass(frozen=True)
class Seen:
    """What was at an output's name when it was allowed to be replaced: its files, none where there was nothing."""

    files: frozenset[tuple[str, int, int, int]]


def check_replaceable(path: Path, *, mark: str, overwrite: bool) -> Seen:
    """What is at `path` now, which a directory may replace, as `atomic_directory` says. Errors: `InputError`."""
    if path.exists() and not path.is_dir():
        problem, kind = "is a file, a directory was expected", "output-not-a-directory"
        raise InputError(problem, where=path, fix="Choose another output.", kind=kind)
    if not path.is_dir() or not any(path.iterdir()):
        return Seen(frozenset())
    if not overwrite:
        fix = "Choose another output, or pass --overwrite to replace it."
        raise InputError("already exists", where=path, fix=fix, kind="output-exists")
    if not (path / mark).exists():
        problem = f"has no {mark}, so it is not replaced"
        raise InputError(problem, where=path, fix="Choose another output.", kind="output-of-another-kind")
    return _look(path)


def put_in_place(directory: Path, path: Path, seen: Seen) -> None:
    """Give a directory that is whole and durable the name `path`, in the place of what was `seen` there.

    Errors: `InputError` where something else is there by now: that stays as it is, and `directory` gets another name.
    """
    directory.chmod(0o777 & ~_umask())
    with _refusals(path), _kept_aside(directory, path):
        now = _look(path)
        if not now.files:
            directory.rename(path)  # the system refuses it where anything but an empty directory is by then
        elif now != seen:
            raise FileExistsError
        else:
            _replace(directory, path, seen)
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
        raise InputError(
            problem, where=path, fix="Free some space, or choose an output elsewhere.", kind="disk-full"
        ) from error


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What the file system refuses about the name `path`, as an `InputError`."""
    try:
        yield
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}"
        raise InputError(problem, where=path, fix="Choose an output elsewhere.", kind="cannot-be-written") from error


def _replace(new: Path, path: Path, seen: Seen) -> None:
    """Let `new` take the name of the directory `path`; what is not as it was `seen` is kept beside it."""
    if _exchange(new, path):
        old = new
    else:  # a kill between the next two lines leaves both, under temporary names
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
        path.replace(old)
        new.replace(path)
    if _look(old) == seen:
        shutil.rmtree(old)
    else:  # changed in the moment since it was looked at
        warn(f"{path} was changed while it was replaced; what was there is in {_aside(old, path, '.old')}")


def _look(path: Path) -> Seen:
    """All files below `path`, as far as they can be told from others."""
    found = []
    with contextlib.suppress(FileNotFoundError):  # it changes while it is looked at, and is not what it was
        for file in (path, *path.rglob("*")):
            status = file.lstat()
            if not file.is_dir() or file.is_symlink():
                found.append((str(file.relative_to(path)), status.st_ino, status.st_size, status.st_mtime_ns))
    return Seen(frozenset(found))


@contextmanager
def _kept_aside(temporary: Path, path: Path) -> Iterator[None]:
    """Where `path` is taken by something else, give `temporary` a name beside it. Errors: `InputError` with it."""
    try:
        yield
    except OSError as error:
        if not (isinstance(error, FileExistsError) or error.errno in _OCCUPIED):
            raise
        raise InputError(
            f"has appeared or changed while the output was written, and stays as it is; the output is in "
            f"{_aside(temporary, path, '.new')}",
            where=path,
            fix="Look at both, and keep the one that you want.",
            kind="output-appeared",
        ) from error


_OCCUPIED = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR, errno.EBUSY)


def _aside(temporary: Path, path: Path, suffix: str) -> Path:
    """Give `temporary` a free name after that of `path`."""
    for number in itertools.count(1):
        free = path.with_name(f"{path.name}{suffix}{number if number > 1 else ''}")
        try:
            if temporary.is_dir():
                free.mkdir()  # which no other process can then take, and a rename replaces
                temporary.replace(free)
            else:
                _link(temporary, free)
            break
        except FileExistsError:
            continue
    sync(path.parent)
    return free


def _link(file: Path, free: Path) -> None:
    """Give `file` a second name, never another's. Errors: `FileExistsError`."""
    try:
        free.hardlink_to(file)
    except FileExistsError:
        raise
    except OSError:  # no links on this file system
        with open(free, "xb"):
            file.replace(free)


def real_directory(path: Path) -> Path:
    """The place of an output that is a directory: where a link leads. Errors: `InputError` for a link to itself."""
    path = Path(path)
    if not path.is_symlink() and path.name not in ("", ".."):
        return path  # as it was given, for messages
    real = Path(os.path.realpath(path))
    if real.is_symlink():
        raise InputError("is a link that leads to itself", where=path, fix="Remove it.", kind="link-loop")
    return real


def _real_file(path: Path) -> Path:
    """Likewise of one that is a file. Errors: `InputError`, also for a directory, a pipe or a device in its place."""
    path = Path(path)
    if str(path.absolute()).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        fix = "Name a file; a result takes its name when it is whole."
        raise InputError("is not a place for a file", where=path, fix=fix, kind="output-not-a-file")
    real = real_directory(path)
    if real.exists() and not real.is_file():
        kind = "a directory" if real.is_dir() else "a pipe, a socket or a device"
        raise InputError(
            f"is {kind}, a file was expected", where=path, fix="Choose another output.", kind="output-not-a-file"
        )
    return real


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
    for left in path.parent.glob(f".{glob.escape(path.name)}.{'[a-z0-9_]' * 8}.tmp"):  # as `tempfile` names them
        with contextlib.suppress(FileNotFoundError), held(left) as stale:
            if stale and left.exists():
                warn(f"removed {left}, which an interrupted command had left")
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
