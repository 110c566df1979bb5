"""Python and the packages, against the pins of pyproject.toml and the lock; from their metadata, without imports."""

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from foundation.versions import installed_version
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
        yield warning("Python", version, "The lock file and the tests are for 3.11.")
    locked = locked_versions(LOCK.read_text(encoding="utf-8")) if LOCK.is_file() else required_versions()
    for name in PINNED:
        yield _package(name, locked.get(name))
    if gpu:
        yield _package(*TRANSFORMER_ENGINE)
    if not LOCK.is_file():  # installed from a wheel, as in the image
        yield ok("other packages", "not compared: the lock file is part of the repository")
        return
    others = [name for name, pin in locked.items() if name not in PINNED and installed(name) not in (pin, None)]
    if others:
        shown = ", ".join(f"{name} {installed(name)} for {locked[name]}" for name in others[:5])
        yield warning("other packages", f"{len(others)} differ from the lock: {shown}", "Run make venv.")
    else:
        yield ok("other packages", f"none of {len(locked)} differs from the lock")


def locked_versions(text: str) -> dict[str, str]:
    """Name and version of each package of a lock file."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\+]+)", text, re.MULTILINE))


def required_versions() -> dict[str, str]:
    """The versions that the installed project names exactly; none where it is not installed."""
    try:
        required = importlib.metadata.requires("genomic-llama") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    return dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", "\n".join(required), re.MULTILINE))


def installed(name: str) -> str | None:
    """The version of a package without its build (torch's `+cpu`); None where it is not installed."""
    version = installed_version(name)
    return version and version.partition("+")[0]


def _package(name: str, pin: str | None) -> Finding:
    wanted = name if pin is None else f"{name}=={pin}"
    version, fix = installed(name), f"Install {wanted}; docs/decisions/0001-pins.md says why."
    if version is None:
        return broken(name, "is not installed", fix)
    return ok(name, version) if pin in (version, None) else warning(name, f"{version}, the lock has {pin}", fix)
