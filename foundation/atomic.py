"""Outputs that exist whole or not at all: written under a temporary name, synced, then renamed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foundation.disk import full_disk, refusals, sync, umask
from foundation.errors import InputError
from foundation.place import check_replaceable, keep_beside, publish_directory, real_directory, real_file
from foundation.temporary import remove_stale, temporary_beside


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes that name, on failure it is removed.

    A link stays, and what it leads to is written. Errors: `InputError`; where a directory has appeared at `path`, what
    was written is kept under another name.
    """
    path = real_file(path)
    with refusals(path):
        _make_folder(path, path)
        remove_stale(path)
    with temporary_beside(path, tempfile.mkstemp) as temporary:
        try:
            with full_disk(path):
                yield temporary
                sync(temporary)
            temporary.chmod(0o666 & ~umask())
            with refusals(path), keep_beside(temporary, path):
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
    Errors: `InputError`; if something appears at `path` during the work, as `publish_directory`.
    """
    path = real_directory(path)
    seen = check_replaceable(path, mark=mark, overwrite=overwrite)
    with refusals(path):
        _make_folder(path, path)
        remove_stale(path)
    with temporary_beside(path, tempfile.mkdtemp) as temporary:
        try:
            with full_disk(path):
                yield temporary
                for file in [*temporary.rglob("*"), temporary]:
                    sync(file)
            publish_directory(temporary, path, seen)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_writable(*paths: Path | None, given: Path | None = None) -> None:
    """That files of these names can be written, told before the work whose results they are to hold; None is left out.

    `given`: what the user gave, where the names are made from it; a folder that refuses them is an error of that.
    Errors: `InputError` for a directory in their place, a disk that is full or read-only, or one that has gone.
    """
    for path in paths:
        if path is not None:
            _check_folder(real_file(path, given), given or path)


def check_directory_writable(path: Path) -> None:
    """The same for an output that is a directory; what is in its place is `check_replaceable`'s matter."""
    _check_folder(real_directory(path), path)


def _check_folder(path: Path, given: Path) -> None:
    """That something named `path` can be made. Errors: `InputError` that names what was `given`."""
    with refusals(given):
        _make_folder(path, given)
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent) as file:
            file.write(b"0")
            file.flush()


def _make_folder(path: Path, given: Path) -> None:
    """The folder of `path`, with those that it is in. Errors: `InputError` where a file is in the place of one."""
    nearest = next((folder for folder in path.parents if folder.exists()), None)
    if nearest is not None and not nearest.is_dir():
        problem = f"cannot be written: {nearest} is a file, not a directory"
        raise InputError(problem, where=given, fix="Choose another output.", kind="output-not-a-directory")
    path.parent.mkdir(parents=True, exist_ok=True)
