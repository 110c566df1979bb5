"""Where weights come from: the run that trained them and its step, carried from checkpoint to export to score."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversion.manifest import read_manifest
from conversion.record import LIMIT
from conversion.record import NAME as RECORD
from foundation.errors import InputError
from foundation.untrusted import read_json

_RUN = re.compile(r"[0-9a-f]{16}")
_STEP = re.compile(r"(?:step=|iter_)(\d{1,18})")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """`run`: the id of a run (`run_id` of its config.yaml); `step`: optimizer steps. None where nothing tells."""

    run: str | None = None
    step: int | None = None


def origin_of(directory: Path) -> Origin:
    """Of a checkpoint or an export: by its manifest, by the record of its conversion, or by the step in a name.

    What is damaged, or of no form that we write, tells nothing; whoever loads the weights says what is wrong.
    """
    record: Mapping[str, Any] = {}
    try:
        if manifest := read_manifest(directory):
            return Origin(run=_run(manifest.run), step=manifest.step)
        content = read_json(directory / RECORD, limit=LIMIT)
        record = content if isinstance(content, dict) else {}
    except InputError:
        pass
    step = record.get("step")
    return Origin(run=_run(record.get("run")), step=step if type(step) is int else _named(directory, record))


def _run(value: object) -> str | None:
    return value if isinstance(value, str) and _RUN.fullmatch(value) else None


def _named(directory: Path, record: Mapping[str, Any]) -> int | None:
    """By the name of the checkpoint, `step=100` or `iter_0000100`."""
    for path in (record.get("checkpoint"), record.get("source"), os.path.abspath(directory)):
        if steps := _STEP.findall(str(path or "")):
            return int(steps[-1])
    return None
