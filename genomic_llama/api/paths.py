"""Paths that callers give, refused where no operating system can look them up."""

import errno
import os
from pathlib import Path
from typing import Any

from foundation.errors import InputError, shown


def read_path(given: Any, where: str | None = None, *, fix: str = "Give the path of a file or directory.") -> Path:
    """`given`, a str or path, as a path. Errors: `InputError` for one that is empty, too long, or has a null byte."""
    text = os.fsdecode(given)
    if problem := _problem(text):
        raise InputError(problem, where=where, fix=fix, kind="not-a-path")
    return Path(text)


def _problem(text: str) -> str:
    if not text:
        return "is an empty path"
    if "\0" in text:
        return f"{shown(text)} has a null byte, which no path can have"
    try:
        os.stat(text)
    except UnicodeEncodeError:
        return f"{shown(text)} has a character that no path can have"
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return f"{text[:40]!r}... has {len(text):,} characters, too many for a path"
    return ""
