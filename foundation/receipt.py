"""What is finished is not done again: a receipt beside an output says what it was made from, and what it held.

The receipt of OUT is the hidden file `.OUT.receipt`. An output that was made from something else, or by another
version, is made again; one that was changed since is replaced only if the user says so.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from foundation.atomic import atomic_file
from foundation.checksum import xxh3_128
from foundation.errors import InputError
from foundation.untrusted import read_json

FORMAT = "genomic-llama receipt 1"


def receipt_path(out: Path) -> Path:
    """Where the receipt of the output `out` is."""
    return out.with_name(f".{out.name}.receipt")


def read_receipt(out: Path, made_from: Mapping[str, Any]) -> list[Path] | None:
    """The files of a finished output of `made_from` (JSON values); None where there is none, or they have changed."""
    try:
        content = read_json(receipt_path(out))
        files = {out.parent / name: checksum for name, checksum in content["files"].items()}
        same = content["format"] == FORMAT and content["made_from"] == json.loads(json.dumps(made_from))
        if not same or not files or any(xxh3_128(path) != checksum for path, checksum in files.items()):
            return None
    except (InputError, OSError, KeyError, TypeError, AttributeError, ValueError):
        return None
    return list(files)


def write_receipt(out: Path, made_from: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Say that `files` are finished. They are named from the folder of `out`, so that all may move together.

    Files of an earlier run that this one had no use for are remembered.
    """
    checksums = {os.path.relpath(path, out.parent): xxh3_128(path) for path in files}
    earlier = {name: checksum for name, checksum in _written(out).items() if name not in checksums}
    content = {"format": FORMAT, "made_from": made_from, "files": checksums, "earlier": earlier}
    with atomic_file(receipt_path(out)) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def is_own(out: Path, path: Path) -> bool:
    """Whether a run that wrote outputs of the name `out` left `path`, and nothing has changed it since."""
    return _written(out).get(os.path.relpath(path, out.parent)) == xxh3_128(path)


def _written(out: Path) -> dict[str, str]:
    """Checksums of what all runs wrote, by name."""
    try:
        content = read_json(receipt_path(out))
        return {**content.get("earlier", {}), **content["files"]} if content["format"] == FORMAT else {}
    except (InputError, OSError, KeyError, TypeError, AttributeError, ValueError):
        return {}
