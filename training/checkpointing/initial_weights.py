"""Initial weights of a run, through the converter: NeMo only gets files that we wrote.

NeMo's loader unpickles `.metadata`, `common.pt` and objects in the shards, and builds what `context/io.json` names, so
a checkpoint that it opens can run any code. The converter reads all formats as data. What it wrote is kept beside the
run directory, for all runs there that start from the same checkpoint.
"""

import hashlib
from pathlib import Path

from conversion.convert import convert
from conversion.formats import recognise
from conversion.inspection import verify_checkpoint
from conversion.locate import find_checkpoint
from conversion.manifest import check_against_manifest, read_manifest
from conversion.record import NAME as RECORD
from foundation.errors import InputError
from foundation.terminal import warn

FOLDER = "initial_weights"


def ensure_converted(source: Path, folder: Path, *, optimizer: bool = False, to: str = "nemo") -> Path:
    """The checkpoint `source` in a format of our making in `folder`, made where it is missing or damaged.

    With `optimizer` its state comes along. For the first rank: `converted_path` is for the others.
    Errors: `InputError`, also where `source` is not what its manifest says.
    """
    copy = converted_path(source, folder, optimizer=optimizer, to=to)
    if not _is_whole(copy):
        _refuse_damaged(source)
        convert(source, copy, to=to, optimizer=optimizer, overwrite=copy.exists())
    return copy


def converted_path(source: Path, folder: Path, *, optimizer: bool = False, to: str = "nemo") -> Path:
    """Its directory, whether it is there yet or not."""
    kind = "" if to == "nemo" else f"-{to}"
    return folder / f"{source.resolve().name}-{_fingerprint(source)}{kind}{'-optimizer' * optimizer}"


def _is_whole(copy: Path) -> bool:
    if not (copy / RECORD).is_file():
        return False
    try:
        verify_checkpoint(copy)
    except InputError as error:
        warn(f"{copy} is damaged and is made again: {error.problem}")
        return False
    return True


def _refuse_damaged(source: Path) -> None:
    if recognise(source).name != "nemo":
        return
    checkpoint = find_checkpoint(source).path
    manifest = read_manifest(checkpoint)
    for problem in check_against_manifest(checkpoint, manifest.files) if manifest else ():
        raise InputError(
            problem, where=checkpoint, fix="Copy the checkpoint again, or give another.", kind="initial-weights-damaged"
        )


def _fingerprint(source: Path) -> str:
    """Digest of names, sizes and times: a changed checkpoint with the same name gets another copy."""
    digest = hashlib.sha256(str(source.resolve()).encode("utf-8", "surrogateescape"))
    for path in sorted(source.rglob("*")):
        if path.is_file():
            status = path.stat()
            line = f"{path.relative_to(source)} {status.st_size} {status.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:12]
