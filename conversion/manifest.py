"""`manifest.json` of a training checkpoint: every file with its size and checksum.

It is written last, when all else is durable. So a directory that has one was written to its end, and one that has
none was not, whatever else lies in it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import xxhash

from conversion.checkpoint import check_inside
from foundation.atomic import atomic_file, sync
from foundation.checksum import xxh3_128
from foundation.errors import InputError

NAME = "manifest.json"
_LIMIT = 1 << 26
_REMEDY = "Copy the checkpoint anew, or go on from an older one."


@dataclass(frozen=True, kw_only=True)
class CheckpointFile:
    """`xxh3_128` of the whole file: against damage, not against forgery."""

    bytes: int
    xxh3_128: str


@dataclass(frozen=True, kw_only=True)
class CheckpointManifest:
    """`files` by their paths in the checkpoint; `step` counts the optimizer steps that were done.

    `trained_with`: plain values that a run which goes on from here has to have too; empty in older checkpoints.
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
        path.write_text(_text(content))


def read_manifest(directory: Path) -> CheckpointManifest | None:
    """The manifest of the checkpoint `directory`, or None where it has none. Errors: `InputError` for a damaged one."""
    path = directory / NAME
    if not path.is_file():
        return None
    check_inside(path, directory)
    try:
        if path.stat().st_size > _LIMIT:
            raise ValueError(f"it has more than {_LIMIT} bytes")
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("xxh3_128", None) is None:
            raise ValueError("it has no checksum of its own")
        if _text(content) != text:
            raise ValueError("its own checksum is another")
        files = {name: CheckpointFile(**row) for name, row in content["files"].items()}
        for name in files:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ValueError(f"{name!r} leads outside of the checkpoint")
        trained_with = dict(content.get("trained_with", {}))
        run = str(content.get("run", ""))
        return CheckpointManifest(step=int(content["step"]), files=files, trained_with=trained_with, run=run)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"is damaged ({error})", where=path, fix=_REMEDY) from error


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
            if not path.is_file():
                yield f"{name} is missing"
            elif (size := path.stat().st_size) != file.bytes:
                yield f"{name} has {size:,} bytes, {file.bytes:,} were written"
            elif xxh3_128(path, observe) != file.xxh3_128:
                yield f"{name} was changed: its checksum is not the manifest's"
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}"


def _text(content: Mapping[str, object]) -> str:
    digest = xxhash.xxh3_128_hexdigest(json.dumps(content, sort_keys=True).encode())
    return json.dumps({**content, "xxh3_128": digest}, indent=1) + "\n"
