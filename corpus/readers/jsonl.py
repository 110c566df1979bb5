"""JSON Lines: one object a line, its sequence in one field."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from conduct.errors import InputError
from corpus.batch import Batch, BatchBuilder
from corpus.readers.compression import READ, open_source

SEQUENCE_FIELDS = ("text", "sequence")
NAME_FIELDS = ("record", "id", "name", "accession")
LONGEST_LINE = 8 << 30


def read_jsonl_stream(
    stream: io.BufferedReader,
    path: Path,
    *,
    field: str | None = None,
    start: int = 0,
    stop: int | None = None,
    longest_line: int = LONGEST_LINE,
) -> Iterator[Batch]:
    """Records of a decompressed `stream` of `path`, letters not checked. Memory: a few times the longest line.

    `field`: that of the sequence; else the first of `SEQUENCE_FIELDS` that there is. With `start` and `stop`, the lines
    that begin at bytes `[start, stop)`; `stream` is then at `max(start - 1, 0)`. Blank lines are skipped.
    Errors: `InputError` with the line and its offset, after the batch of those before it.
    """
    builder = BatchBuilder()
    offset = _skip_line(stream, start) if start else 0
    numbered = _Place(path, start=offset)
    fields = (field,) if field else SEQUENCE_FIELDS
    empty = True
    while (stop is None or offset < stop) and (line := stream.readline(longest_line + 1)):
        try:
            if len(line) > longest_line:
                raise numbered.error(f"is longer than {longest_line:,} bytes", "Check how it was made.")
            record = _record(line, fields, numbered) if not line.isspace() else None
        except InputError:
            yield from builder.finish()
            raise
        if record:
            empty = False
            yield from builder.add(*record)
        offset += len(line)
        numbered.next(offset)
    yield from builder.finish()
    if empty and not start and not stream.peek(1):
        raise InputError("holds no record", where=path, fix="Leave it out, or check how it was made.")


class _Place:
    """The line that is read: where it begins, and its number, which a slice has to count for."""

    def __init__(self, path: Path, *, start: int) -> None:
        self._path, self._start, self._offset, self._line = path, start, start, 1

    def next(self, offset: int) -> None:
        self._offset = offset
        self._line += 1

    def error(self, problem: str, fix: str) -> InputError:
        number = self._line + (_count_lines(self._path, self._start) if self._start else 0)
        return InputError(problem, where=f"{self._path}, line {number} (byte {self._offset:,})", fix=fix)


def _record(line: bytes, fields: tuple[str, ...], place: _Place) -> tuple[str, str, bytes]:
    """Name, description and sequence of one line."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise place.error(f"is no JSON: {error}", "Repair the line, or remove it.") from None
    if not isinstance(row, dict):
        raise place.error(f"is {_kind(row)}, not an object", 'Give lines such as {"text": "ACGT"}.')
    field = next((name for name in fields if name in row), None)
    if field is None:
        there = ", ".join(map(repr, row)) or "none"
        raise place.error(f"has no field {fields[0]!r}; its fields are: {there[:500]}", "Name the field with --field.")
    text = row[field]
    if not isinstance(text, str):
        raise place.error(f"field {field!r} is {_kind(text)}, not a string", "Repair the line, or name another field.")
    if not text:
        raise place.error(f"field {field!r} is empty", "Remove the line.")
    sequence = text.encode()
    if b"\0" in sequence:
        raise place.error(f"field {field!r} has a NUL at base {sequence.index(0) + 1}", "Repair the line.")
    name = next((row[key] for key in NAME_FIELDS if isinstance(row.get(key), str | int)), "")
    return str(name), "", sequence


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _skip_line(stream: io.BufferedReader, start: int) -> int:
    """Go on past the next line feed; the offset there."""
    offset = start - 1
    while part := stream.readline(READ):
        offset += len(part)
        if part.endswith(b"\n"):
            break
    return offset


def _count_lines(path: Path, stop: int) -> int:
    """Line feeds in the first `stop` bytes."""
    lines = 0
    with open_source(path) as stream:
        while stop > 0 and (block := stream.read(min(READ, stop))):
            lines += block.count(b"\n")
            stop -= len(block)
    return lines
