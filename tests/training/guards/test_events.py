"""`events.jsonl` is JSON that any reader takes, and says which events a resumed run did again."""

import json
import math
from pathlib import Path
from typing import Any

from training.guards.events import append_event, mark_replaced


def read(folder: Path) -> list[dict[str, Any]]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    lines = (folder / "events.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    folder = tmp_path / "guards"
    append_event(folder, {"step": 3, "finding": "not finite", "loss": math.nan, "grad_norm": 2.5, "limit": math.inf})
    assert read(folder) == [{"step": 3, "finding": "not finite", "loss": None, "grad_norm": 2.5, "limit": None}]


def test_events_that_are_done_again_are_marked(tmp_path: Path) -> None:
    """A run of five steps that went on from its third, twice; the last line is what a kill left."""
    mark_replaced(tmp_path, done=0)  # no file, and none is made
    assert list(tmp_path.iterdir()) == []
    for step in (2, 4, 5):
        append_event(tmp_path, {"step": step})
    with open(tmp_path / "events.jsonl", "a") as file:
        file.write('{"step": 6, "fin')
    mark_replaced(tmp_path, done=3)
    assert read(tmp_path) == [{"step": 2}, {"step": 4, "replaced": True}, {"step": 5, "replaced": True}]
    append_event(tmp_path, {"step": 4})
    mark_replaced(tmp_path, done=4)
    assert [event["step"] for event in read(tmp_path) if "replaced" not in event] == [2, 4]


def test_a_damaged_line_is_left_out(tmp_path: Path) -> None:
    damaged = b"\0\0\0\xff\n[3]\n"
    (tmp_path / "events.jsonl").write_bytes(damaged + b'{"step": 9}\n')
    mark_replaced(tmp_path, done=3)
    assert (tmp_path / "events.jsonl").read_bytes() == damaged + b'{"step": 9, "replaced": true}\n'
