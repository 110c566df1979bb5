"""The files that a command line means: paths, patterns, lists of paths, and standard input."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpus.streams.compression import STANDARD_INPUT, named_errors
from foundation.errors import InputError
from foundation.place import real_paths
from foundation.regular_file import opener


def expand_inputs(arguments: Sequence[str]) -> list[Path]:
    """The files named by `arguments`, in their order; those of one pattern sorted.

    An argument is a path, a pattern that the shell left alone (`**` for folders of any depth), `@list.txt` (one of the
    others a line, relative to the list's folder, comments after `#`), or `-` for standard input.
    Errors: `InputError` for a file that does not exist, a directory, a pattern without a match, the same file twice.
    """
    inputs: dict[str, Path] = {}
    named = [path for argument in arguments for path in _expand(argument, Path())]
    for path, real in zip(named, real_paths(named), strict=True):
        first = inputs.setdefault(real, path)
        if first is not path:
            also = f", also as {first}" if first != path else ""
            raise InputError(f"is named twice{also}", where=path, fix="Name each file once.", kind="source-twice")
    if not inputs:
        raise InputError("no input is named", fix="Name at least one file.", kind="no-source")
    return list(inputs.values())


def _expand(argument: str, folder: Path) -> Iterator[Path]:
    path = folder / argument
    if "\0" in argument:
        raise InputError("has a NUL in its name", where=str(path)[:200], fix="Check the list.", kind="nul-in-name")
    if argument.startswith("@") and not os.path.lexists(path):
        yield from _listed(folder / argument[1:])
        return
    with named_errors(path):
        yield from _named(path, argument)


def _named(path: Path, argument: str) -> Iterator[Path]:
    if path == STANDARD_INPUT:
        yield path
    elif path.is_dir():
        fix = (
            f"Name the files in it, e.g. with a wildcard: '{path}/*.fa.gz', or '{path}/**/*.fa.gz' for its folders too."
        )
        raise InputError("is a directory", where=path, fix=fix, kind="is-a-directory")
    elif path.exists():
        yield path
    elif glob.has_magic(argument):
        yield from _matches(path)
    else:
        raise InputError("does not exist", where=path, fix="Check the path.", kind="missing-file")


def _matches(pattern: Path) -> list[Path]:
    found = sorted(path for name in glob.iglob(str(pattern), recursive=True) if (path := Path(name)).is_file())
    if not found:
        raise InputError("matches no file", where=pattern, fix="Check the pattern.", kind="pattern-without-match")
    return found


def _listed(path: Path) -> Iterator[Path]:
    with named_errors(path):
        try:
            with open(path, encoding="utf-8-sig", opener=opener) as file:
                text = file.read()
        except UnicodeDecodeError:
            raise InputError(
                "is not text", where=path, fix="Give a list of paths after the @, one per line.", kind="not-text"
            ) from None
    lines = [(number, line.partition(" #")[0].strip()) for number, line in enumerate(text.splitlines(), start=1)]
    named = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not named:
        raise InputError("names no file", where=path, fix="Write one path per line.", kind="list-empty")
    for number, line in named:
        if line.startswith("@") or line == "-":
            raise InputError(
                f"{line!r} cannot be in a list", where=f"{path}, line {number}", fix="Name a file.", kind="list-entry"
            )
        try:
            yield from _expand(line, path.parent)
        except InputError as error:
            where = f"{path}, line {number}: {error.where}"
            raise InputError(error.problem, where=where, fix=error.fix, kind=error.kind) from None
