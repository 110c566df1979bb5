"""`manifest.json` of a training checkpoint: every file with its size and checksum.

It is written last, when all else is durable. So a directory that has one was written to its end, and one that has
none was not, whatever else lies in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from conversion.checkpoint import check_inside
from foundation.atomic import atomic_file
from foundation.checksum import xxh3_128
from foundation.disk import sync
from foundation.errors import InputError, shown
from foundation.sealed import SealedFormat, difference
from foundation.typed import from_settings
from foundation.untrusted import parse_json, read_text

NAME = "manifest.json"
_LIMIT = 1 << 26
_SEALED = SealedFormat(indent=1, over="values")
_DIFFERENCES = {
    "missing": "{} is missing",
    "size": "{} has {:,} bytes, {:,} were written",
    "checksum": "{} was changed: its checksum is not the manifest's",
}
_REMEDY = "Copy the checkpoint again, or use an older one."


@dataclass(frozen=True, kw_only=True)
class CheckpointFile:
    """`xxh3_128` of the whole file: against damage, not against forgery."""

    bytes: int
    xxh3_128: str


@dataclass(frozen=True, kw_only=True)
class CheckpointManifest:
    """`files` by their paths in the checkpoint; `step` counts the optimizer steps that were done.

    `trained_with`: plain values that a run that continues from here needs too; empty in older checkpoints.
    `run`: the id of the run; "" in older checkpoints.
    """

    step: int
    files: dict[str, CheckpointFile]
    trained_with: dict[str, Any] = field(default_factory=dict)
    run: str = ""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


def seal_files(directory: Path, names: Iterable[str]) -> dict[str, CheckpointFile]:
    """The rows of files that were just written, after they and their directories became durable."""
    rows, folders = {}, {directory}
    for name in names:
        path = directory / name
        sync(path)
        folders.add(path.parent)
        rows[name] = CheckpointFile(bytes=path.stat().st_size, xxh3_128=xxh3_128(path))
    for folder in folders:
        sync(folder)
    return rows


def write_manifest(directory: Path, manifest: CheckpointManifest) -> None:
    """Make the checkpoint `directory` a whole one; durable when this returns."""
    sync(directory.parent)
    files = {name: asdict(manifest.files[name]) for name in sorted(manifest.files)}
    with atomic_file(directory / NAME) as path:
        content = {"step": manifest.step, "run": manifest.run, "trained_with": manifest.trained_with, "files": files}
        path.write_text(_SEALED.text(content))


def seal_as(source: Path, directory: Path, step: int) -> None:
    """Make `directory` a whole checkpoint after `step` steps of the run that `source` is of; no run's where it has no
    manifest.
    """
    if (manifest := read_manifest(source)) is not None:
        names = [path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()]
        write_manifest(directory, replace(manifest, step=step, files=seal_files(directory, names)))


def read_manifest(directory: Path) -> CheckpointManifest | None:
    """The manifest of the checkpoint `directory`, or None where it has none. Errors: `InputError` for a damaged one."""
    path = directory / NAME
    if not path.is_file():
        return None
    check_inside(path, directory)
    try:
        return _read(path)
    except InputError as error:
        raise InputError(f"is damaged ({error.problem})", where=error.where, fix=_REMEDY, kind=error.kind) from error


def _read(path: Path) -> CheckpointManifest:
    text = read_text(path, limit=_LIMIT)
    content, seal = _SEALED.unseal(text, parse_json(text, where=path))
    if seal != "whole":
        problem = "its own checksum does not match" if seal == "broken" else "it has no checksum of its own"
        raise InputError(problem, where=path, fix=_REMEDY, kind=f"manifest-seal-{seal}")
    manifest = from_settings(CheckpointManifest, content, str(path), fix=_REMEDY)
    for name in manifest.files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            problem = f"names {shown(name)}, outside of the checkpoint"
            raise InputError(problem, where=path, fix=_REMEDY, kind="manifest-path-outside")
    return manifest


def check_against_manifest(
    directory: Path,
    files: Mapping[str, CheckpointFile],
    observe: Callable[[memoryview], object] | None = None,
) -> Iterator[str]:
    """What is wrong with `files` of the checkpoint `directory`, a sentence each. `observe` gets each block read.

    Errors: `InputError` for a link that leads outside.
    """
    for name, file in files.items():
        path = directory / name
        check_inside(path, directory)
        try:
            what = difference(path, bytes=file.bytes, xxh3=file.xxh3_128, observe=observe)
            if what is not None:
                size = path.stat().st_size if what == "size" else 0
                yield _DIFFERENCES[what].format(name, size, file.bytes)
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}"
