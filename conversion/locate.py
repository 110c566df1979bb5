"""Which checkpoint a path means: one itself, or the newest finished one of a run."""

import re
from dataclasses import dataclass
from pathlib import Path

from conversion.manifest import NAME as MANIFEST
from conversion.manifest import read_manifest
from foundation.errors import InputError

LAST = "last"
STEP = re.compile(r"step=(\d+)")
UNFINISHED = "-unfinished"
"""NeMo puts a file of the checkpoint's name and this beside it while it is written."""
DAMAGED = ".damaged"
"""What a run appends to the name of a checkpoint that it found damaged."""
UNKNOWN = ".unknown"
"""What it appends to one without a manifest that is newer than its newest whole one."""


@dataclass(frozen=True, kw_only=True)
class Located:
    """A checkpoint directory, and the newer ones, unfinished or without a manifest, that were passed over for it."""

    path: Path
    skipped: tuple[Path, ...] = ()


def find_checkpoint(source: Path) -> Located:
    """The checkpoint that `source` means: its directory, RUN, RUN/checkpoints or RUN/checkpoints/last.

    For the last three it is the newest one, by step, that has a manifest; where none has, as with other software's,
    the newest that was written to its end.
    Errors: `InputError` where there is none, or the named one is unfinished.
    """
    source = Path(source)
    if (source / "weights").is_dir():
        if is_unfinished(source):
            raise InputError(
                "is incomplete",
                where=source,
                fix="Give the run's directory to take its newest whole one.",
                kind="checkpoint-unfinished",
            )
        return Located(path=source)
    if not source.exists() and source.name == LAST:
        source = source.parent
    if not source.is_dir():
        raise InputError(
            "no such directory",
            where=source,
            fix="Give the directory of a checkpoint, or of a run.",
            kind="no-such-directory",
        )
    folder = source / "checkpoints" if (source / "checkpoints").is_dir() else source
    return _newest(folder)


def _newest(folder: Path) -> Located:
    ordered = newest_first(folder)
    finished = [path for path in ordered if not is_unfinished(path) and (path / "weights").is_dir()]
    if taken := [path for path in finished if (path / MANIFEST).is_file()] or finished:
        return Located(path=taken[0], skipped=tuple(ordered[: ordered.index(taken[0])]))
    raise InputError(
        f"no finished checkpoint here ({len(ordered)} unfinished)" if ordered else "no checkpoint here",
        where=folder,
        fix="Give a NeMo 2 checkpoint (with weights/ and context/) or the directory of a run that has one, a "
        "Megatron-Bridge checkpoint (with run_config.yaml or iter_*/), or a Hugging Face model (with config.json).",
        kind="no-checkpoint",
    )


def newest_first(folder: Path) -> list[Path]:
    """The directories of checkpoints in `folder`, finished or not, by step; none that a run set aside."""
    found = [
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.is_dir()
        and STEP.search(path.name)
        and path.suffix not in (DAMAGED, UNKNOWN)
        and not path.name.startswith(".")
    ]
    # At the same step the plain one comes first: `...-last` may be a link to it.
    return sorted(found, key=lambda path: (-step_of(path), path.name.endswith(f"-{LAST}"), path.name))


def is_run_checkpoint(path: Path) -> bool:
    """Whether `path` is named as runs here name checkpoints: other names beside them are the user's own."""
    return STEP.fullmatch(path.name) is not None


def is_unfinished(path: Path) -> bool:
    """Whether the checkpoint `path` is known to be incomplete.

    A manifest is written last, so one that has it is finished, also where NeMo's mark was left beside it.
    """
    marked = any(one.with_name(one.name + UNFINISHED).exists() for one in (path, path.resolve()))
    return marked and not (path / MANIFEST).is_file()


def step_of(path: Path) -> int:
    """The step in the name of a directory that `newest_first` finds."""
    match = STEP.search(path.name)
    assert match is not None
    return int(match[1])


def misnamed(path: Path) -> list[str]:
    """A sentence if a checkpoint's step differs from its name; "" if it agrees or is unknown."""
    try:
        manifest = read_manifest(path)
    except InputError:
        return []
    if manifest is None or manifest.step == step_of(path):
        return []
    return [f"it is of step {manifest.step}, by its manifest"]


_ITERATION = re.compile(r"iter_(\d+)")
TRACKER = "latest_checkpointed_iteration.txt"


def is_iterations(source: Path) -> bool:
    """Whether `source` is a Megatron-Bridge checkpoint: an iteration, a directory of iterations, or a run of them."""
    if (source / "run_config.yaml").is_file():
        return True
    return any((folder / TRACKER).is_file() or iterations(folder) for folder in (source, source / "checkpoints"))


def iterations(folder: Path) -> dict[int, Path]:
    """The checkpoints of Megatron-Bridge in `folder`, by their steps."""
    found = folder.iterdir() if folder.is_dir() else ()
    return {int(match[1]): path for path in found if (match := _ITERATION.fullmatch(path.name)) and path.is_dir()}


def find_iteration(source: Path) -> Path:
    """The iteration that `source` means: itself, or the one that its tracker names, or the newest.

    Errors: `InputError` where there is none.
    """
    if (source / "run_config.yaml").is_file():
        return source
    if not (source / TRACKER).is_file() and not iterations(source):
        source = source / "checkpoints"
    tracker = source / TRACKER
    if tracker.is_file():
        text = tracker.read_text(encoding="utf-8", errors="replace")[:64].strip()
        if text != "release" and not text.isdecimal():
            raise InputError(
                f"says {text!r}",
                where=tracker,
                fix="It must hold a number of steps, or `release`.",
                kind="tracker-content",
            )
        path = source / ("release" if text == "release" else f"iter_{int(text):07d}")
        if not path.is_dir():
            raise InputError(
                "this iteration is missing", where=path, fix="Copy the checkpoint again.", kind="missing-iteration"
            )
        return path
    found = iterations(source)
    if not found:
        raise InputError(
            "no iteration here",
            where=source,
            fix="Give the directory of a Megatron-Bridge checkpoint.",
            kind="no-iteration",
        )
    return found[max(found)]
