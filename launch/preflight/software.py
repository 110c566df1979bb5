"""Python and the packages, against the pins of pyproject.toml and the lock; from their metadata, without imports."""

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from launch.preflight.finding import Finding, broken, ok, warning

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "cpu.lock"
PYTHON = (3, 11)

PINNED = (
    "nemo-toolkit",
    "megatron-core",
    "nemo-run",
    "torch",
    "lightning",
    "transformers",
    "hydra-core",
    "omegaconf",
    "numpy",
    "pyarrow",
    "leptonai",
    "nvidia-modelopt",
    "nvidia-resiliency-ext",
)
"""Packages that do not work in other versions together: docs/decisions/0001-pins.md."""

TRANSFORMER_ENGINE = ("transformer-engine", "2.9.0")


def software_findings(*, gpu: bool) -> Iterator[Finding]:
    """Python, the pinned packages, then how many of the others differ from the lock."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == PYTHON:
        yield ok("Python", version)
    else:
        yield warning("Python", version, "Everything was tested with 3.11; the lock is of it.")
    if gpu:
        yield _package(*TRANSFORMER_ENGINE)
    if not LOCK.is_file():  # a wheel has what it requires in its metadata, and no lock
        yield from _required()
        return
    locked = locked_versions(LOCK.read_text(encoding="utf-8"))
    for name in PINNED:
        yield _package(name, locked[name])
    others = [name for name, pin in locked.items() if name not in PINNED and installed(name) not in (pin, None)]
    if others:
        shown = ", ".join(f"{name} {installed(name)} for {locked[name]}" for name in others[:5])
        yield warning("other packages", f"{len(others)} differ from the lock: {shown}", "Run make venv.")
    else:
        yield ok("other packages", f"none of {len(locked)} differs from the lock")


def locked_versions(text: str) -> dict[str, str]:
    """Name and version of each package of a lock file."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\+]+)", text, re.MULTILINE))


def installed(name: str) -> str | None:
    """The version of a package without its build (torch's `+cpu`); None where it is not installed."""
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def _required() -> Iterator[Finding]:
    """The pinned packages against the requirements of the installed project."""
    from packaging.requirements import Requirement

    given = [Requirement(line) for line in importlib.metadata.requires("genomic-llama") or ()]
    for wanted in (one for one in given if one.name in PINNED and one.marker is None):
        version, fix = installed(wanted.name), f"Install '{wanted}'; docs/decisions/0001-pins.md says why."
        if version is None:
            yield broken(wanted.name, "is not installed", fix)
        elif wanted.specifier.contains(version):
            yield ok(wanted.name, version)
        else:
            yield warning(wanted.name, f"{version}, {wanted.specifier} is required", fix)


def _package(name: str, pin: str) -> Finding:
    version, fix = installed(name), f"Install {name}=={pin}; docs/decisions/0001-pins.md says why."
    if version is None:
        return broken(name, "is not installed", fix)
    return ok(name, version) if version == pin else warning(name, f"{version}, the lock has {pin}", fix)
