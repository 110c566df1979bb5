"""One line of what the doctor says."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "will not work"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was looked at, how it is, and what to do where it is not well."""

    what: str
    status: Status
    found: str
    fix: str = ""


def ok(what: str, found: str) -> Finding:
    """All is well."""
    return Finding(what=what, status="ok", found=found)


def warning(what: str, found: str, fix: str) -> Finding:
    """It may work, or work slowly."""
    return Finding(what=what, status="warning", found=found, fix=fix)


def broken(what: str, found: str, fix: str) -> Finding:
    """It will not work."""
    return Finding(what=what, status="will not work", found=found, fix=fix)
