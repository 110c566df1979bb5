"""Whether an output can be written where it was asked for: its size, its place, the space."""

import shutil
from pathlib import Path

from foundation.atomic import check_directory_writable
from foundation.errors import InputError


def check_apart(source: Path, destination: Path) -> None:
    """Refuse an output that is the input, or is inside it, or contains it."""
    a, b = source.resolve(), destination.resolve()
    if a.is_relative_to(b) or b.is_relative_to(a):
        raise InputError(
            f"overlaps the input {source}",
            where=destination,
            fix="Choose another output.",
            kind="output-overlaps-input",
        )


def check_space(destination: Path, size: int) -> None:
    """Refuse to start where nothing can be written, or fewer than `size` bytes are free."""
    check_directory_writable(destination)
    existing = next(path for path in (destination.absolute(), *destination.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < size:
        raise InputError(
            f"{size / 1e9:.2f} GB are needed, {free / 1e9:.2f} GB are free",
            where=destination,
            fix="Free some space, or choose another disk.",
            kind="not-enough-disk",
        )
