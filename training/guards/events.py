"""`RUN/guards/events.jsonl`: one line per finding, and each that a resumed run did again marked as replaced."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foundation.atomic import atomic_file
from foundation.json_lines import append_line

NAME = "events.jsonl"
REPLACED = "replaced"


def append_event(folder: Path, event: Mapping[str, Any]) -> None:
    """Write an event at the end of the file in `folder`, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    append_line(folder / NAME, event)


def mark_replaced(folder: Path, *, done: int) -> None:
    """Mark the events of steps after `done`, from which a run resumes: it makes them again, or others.

    A last line that a kill cut off is dropped. The whole file is rewritten where something changes.
    """
    path = folder / NAME
    if not path.is_file():
        return
    before = path.read_bytes()
    whole = before[: before.rfind(b"\n") + 1]
    after = b"".join(_marked(line, done) for line in whole.splitlines(keepends=True))
    if after != before:
        with atomic_file(path) as temporary:
            temporary.write_bytes(after)


def _marked(line: bytes, done: int) -> bytes:
    """The line with the mark, where it needs one; a line that is not an event is unchanged."""
    try:
        event = json.loads(line)
        replaced = event["step"] > done
    except (ValueError, KeyError, TypeError):
        return line
    return (json.dumps({**event, REPLACED: True}) + "\n").encode() if replaced else line
