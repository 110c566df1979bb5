"""Whether an adapter is part of a model already, by the record that its conversion left."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conversion.adapters.peft_adapter import TENSORS
from conversion.origin import origin_of
from conversion.record import LIMIT
from conversion.record import NAME as RECORD
from foundation.checksum import xxh3_128
from foundation.errors import InputError
from foundation.untrusted import read_json


def adapter_checksum(directory: Path) -> str | None:
    """Of the tensors of an adapter of PEFT, for the record of what it is merged into; None for another adapter."""
    return xxh3_128(directory / TENSORS) if (directory / TENSORS).is_file() else None


def refuse_merged_before(adapter: Path, base: Path) -> None:
    """Refuse an adapter that `base` was exported with: its change would be added twice.

    It is known by its place, by its tensors, or by the run and the step that both are of. Another adapter may be
    merged as well. Errors: `InputError`.
    """
    record = _record(base)
    if not record.get("adapter_base"):
        return
    mine, known = origin_of(adapter), record.get("adapter_checksum")
    if (
        any(_is_at(adapter, record.get(key)) for key in ("checkpoint", "source"))
        or (None not in (mine.run, mine.step) and mine == origin_of(base))
        or (known is not None and known == adapter_checksum(adapter))
    ):
        problem = f"is already part of {base}, as its {RECORD} says"
        fix = f"Use that model without an adapter, or this adapter with its base, {record['adapter_base']}."
        raise InputError(problem, where=adapter, fix=fix, kind="adapter-merged-before")


def _is_at(adapter: Path, recorded: object) -> bool:
    return isinstance(recorded, str) and os.path.realpath(recorded) == os.path.realpath(adapter)


def _record(base: Path) -> Mapping[str, Any]:
    """What the record says; nothing where there is none that can be read, which loading the model complains about."""
    try:
        content = read_json(base / RECORD, limit=LIMIT)
    except (InputError, OSError):
        return {}
    return content if isinstance(content, dict) else {}
