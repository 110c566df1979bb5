"""The weights that a run starts from, through the converter: NeMo gets what we wrote, never a stranger's files.

NeMo's loader unpickles `.metadata`, `common.pt` and objects in the shards, and builds what `context/io.json` names, so
a checkpoint that it opens can run any code. The converter reads all formats as data. What it wrote is kept beside the
run directory, for all runs there that start from the same checkpoint.
"""

import hashlib
import time
from pathlib import Path

from nemo.utils.get_rank import is_global_rank_zero

from conduct.errors import InputError
from conversion.convert import convert
from conversion.formats import recognise
from conversion.locate import find_checkpoint
from conversion.manifest import check_against_manifest, read_manifest
from conversion.record import NAME as RECORD

FOLDER = "initial_weights"
_PATIENCE = 2 * 3600.0
"""Seconds that the other ranks wait for the first to convert."""


def our_copy(source: Path, folder: Path, *, optimizer: bool = False) -> Path:
    """The checkpoint `source` as a NeMo checkpoint of our making in `folder`, where it is made if it is missing.

    With `optimizer` its state comes along. Errors: `InputError`, also where `source` is not what its manifest says.
    """
    copy = folder / f"{source.resolve().name}-{_fingerprint(source)}{'-optimizer' * optimizer}"
    if is_global_rank_zero():
        if not (copy / RECORD).is_file():
            _refuse_damaged(source)
            convert(source, copy, to="nemo", optimizer=optimizer)
        return copy
    limit = time.monotonic() + _PATIENCE
    while not (copy / RECORD).is_file():
        if time.monotonic() > limit:
            raise InputError("was not converted by the first rank", where=source, fix="See that rank's log.")
        time.sleep(1)
    return copy


def _refuse_damaged(source: Path) -> None:
    if recognise(source).name != "nemo":
        return
    checkpoint = find_checkpoint(source).path
    manifest = read_manifest(checkpoint)
    for problem in check_against_manifest(checkpoint, manifest.files) if manifest else ():
        raise InputError(problem, where=checkpoint, fix="Copy the checkpoint anew, or give another.")


def _fingerprint(source: Path) -> str:
    """Of names, sizes and times: another checkpoint of this name gets another copy."""
    digest = hashlib.sha256(str(source.resolve()).encode("utf-8", "surrogateescape"))
    for path in sorted(source.rglob("*")):
        if path.is_file():
            status = path.stat()
            line = f"{path.relative_to(source)} {status.st_size} {status.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:12]
