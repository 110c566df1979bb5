"""One line of what the doctor says."""

from dataclasses import dataclass
from typing import Literal

from foundation.errors import InputError

Status = Literal["ok", "warning", "will not work"]
OK: Status = "ok"
WARNING: Status = "warning"
BROKEN: Status = "will not work"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was looked at, how it is, and what to do where it is not well."""

    what: str
    status: Status
    found: str
    fix: str = ""


def ok(what: str, found: str) -> Finding:
    """All is well."""
    return Finding(what=what, status=OK, found=found)


def warning(what: str, found: str, fix: str) -> Finding:
    """It may work, or work slowly."""
    return Finding(what=what, status=WARNING, found=found, fix=fix)


def broken(what: str, found: str, fix: str) -> Finding:
    """It will not work."""
    return Finding(what=what, status=BROKEN, found=found, fix=fix)


def refused(what: str, error: InputError | OSError) -> Finding:
    """It will not work, in the words of the error that a run would end with."""
    if isinstance(error, InputError):
        return broken(what, error.problem if error.where is None else f"{error.where}: {error.problem}", error.fix)
    return broken(what, f"{error.filename}: {error.strerror}", "Check its permissions.")
