"""The place of an output: where it is, what is there now, and giving it to a new output without losing anything."""

import contextlib
import ctypes
import errno
import itertools
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from foundation.disk import refusals, sync, umask
from foundation.errors import InputError
from foundation.spelling import option
from foundation.terminal import warn


def real_directory(path: Path) -> Path:
    """The place of an output that is a directory: where a link leads. Errors: `InputError` for a link to itself."""
    path = Path(path)
    with refusals(path):
        link = path.is_symlink()
    if not link and path.name not in ("", ".."):
        return path  # as it was given, for messages
    real = Path(os.path.realpath(path))
    if real.is_symlink():
        raise InputError("is a link that leads to itself", where=path, fix="Remove it.", kind="link-loop")
    return real


def real_paths(paths: Iterable[Path]) -> list[str]:
    """`os.path.realpath` of each; of the files of one folder, the folder is looked up once."""
    real = cache(os.path.realpath)
    return [
        os.path.realpath(path)
        if path.is_symlink() or path.name in ("", "..")
        else os.path.join(real(path.parent), path.name)
        for path in paths
    ]


def beside(out: Path, suffix: str) -> Path:
    """The output that is named after `out`, as OUT.tsv. Errors: `InputError` for a path that ends in no name."""
    if out.name in ("", ".."):
        fix = f"Give the beginning of a file's name: {out / 'NAME'} for {out / f'NAME{suffix}'}."
        raise InputError("is a directory, and outputs are named after it", where=out, fix=fix, kind="output-unnamed")
    return out.with_name(out.name + suffix)


def real_file(path: Path, given: Path | None = None) -> Path:
    """The same for a file. `given`: what the user named it by, where that is another path.

    Errors: `InputError`, also for a directory, a pipe, a device or a file without permission to write in its place.
    """
    path = Path(path)
    if str(path.absolute()).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        fix = "Choose another: an output is written under a temporary name beside it, then renamed."
        raise InputError("is not a place for an output", where=given or path, fix=fix, kind="output-not-a-file")
    real = real_directory(path)
    with refusals(given or path):
        mode = real.stat().st_mode if real.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise InputError(
            f"is {kind}, a file was expected", where=path, fix="Choose another output.", kind="output-not-a-file"
        )
    if mode is not None and not mode & _WRITABLE:  # a rename would replace it all the same
        fix = f"Choose another output, or make it writable: chmod u+w {shlex.quote(str(path))}."
        raise InputError("is read-only", where=path, fix=fix, kind="output-read-only")
    return real


def check_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Errors: `InputError` for an output in the place of a file that is read, by whatever name."""
    read = [path for path in inputs if path.is_file()]
    for output in outputs:
        if output.exists() and any(output.samefile(path) for path in read):
            fix = "Choose another output: it would replace what is read."
            raise InputError("is an input of the command", where=output, fix=fix, kind="output-is-input")


_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Snapshot:
    """What was at an output's name when it was allowed to be replaced: its files, none where there was nothing."""

    files: frozenset[tuple[str, int, int, int]]


def check_replaceable(path: Path, *, mark: str, overwrite: bool) -> Snapshot:
    """What is at `path` now, which a directory may replace, as `atomic_directory` says. Errors: `InputError`."""
    if path.exists() and not path.is_dir():
        problem, kind = "is a file, a directory was expected", "output-not-a-directory"
        raise InputError(problem, where=path, fix="Choose another output.", kind=kind)
    if not path.is_dir() or not any(path.iterdir()):
        return Snapshot(frozenset())
    if not overwrite:
        fix = f"Choose another output, or pass {option('overwrite', True)} to replace it."
        raise InputError("already exists", where=path, fix=fix, kind="output-exists")
    if not (path / mark).exists():
        problem = f"has no {mark}, so it is not replaced"
        raise InputError(problem, where=path, fix="Choose another output.", kind="output-of-another-kind")
    return _snapshot(path)


def publish_directory(directory: Path, path: Path, seen: Snapshot) -> None:
    """Give a directory that is whole and durable the name `path`, in the place of what was `seen` there.

    Errors: `InputError` if something else has appeared there: it is kept, and `directory` gets another name.
    """
    directory.chmod(0o777 & ~umask())
    with refusals(path), keep_beside(directory, path):
        now = _snapshot(path)
        if not now.files:
            directory.rename(path)  # the system refuses it where anything but an empty directory is by then
        elif now != seen:
            raise FileExistsError
        else:
            _replace(directory, path, seen)
    sync(path.parent)


def _replace(new: Path, path: Path, seen: Snapshot) -> None:
    """Let `new` take the name of the directory `path`; what is not as it was `seen` is kept beside it."""
    if _exchange(new, path):
        old = new
    else:  # a kill between the next two lines leaves both, under temporary names
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
        path.replace(old)
        new.replace(path)
    if _snapshot(old) == seen:
        shutil.rmtree(old)
    else:  # changed in the moment since it was looked at
        warn(f"{path} changed while it was being replaced. The old content is in {_aside(old, path, '.old')}")


def _snapshot(path: Path) -> Snapshot:
    """All files below `path`, as far as they can be distinguished from others."""
    found = []
    with contextlib.suppress(FileNotFoundError):  # it changes while it is looked at, and is not what it was
        for file in (path, *(() if path.is_symlink() else path.rglob("*"))):
            status = file.lstat()
            if not file.is_dir() or file.is_symlink():
                found.append((str(file.relative_to(path)), status.st_ino, status.st_size, status.st_mtime_ns))
    return Snapshot(frozenset(found))


def _exchange(a: Path, b: Path) -> bool:
    """Let two names change places, at once; false where the system or the file system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    at_cwd, exchange = -100, 2
    names = os.fsencode(a.absolute()), os.fsencode(b.absolute())
    return rename is not None and rename(at_cwd, names[0], at_cwd, names[1], exchange) == 0


@contextmanager
def keep_beside(temporary: Path, path: Path) -> Iterator[None]:
    """Where `path` is taken by something else, give `temporary` a name beside it. Errors: `InputError` with it."""
    try:
        yield
    except OSError as error:
        if not (isinstance(error, FileExistsError) or error.errno in _OCCUPIED):
            raise
        raise InputError(
            f"appeared or changed while the output was written. It is left as it is. The output is in "
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
