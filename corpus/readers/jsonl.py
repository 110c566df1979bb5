"""JSON Lines: one object a line, its sequence in one field."""

import codecs
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from corpus.scan.batch import Batch, BatchBuilder
from corpus.streams.compression import READ, open_source
from foundation.errors import InputError, shown
from foundation.spelling import option

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
    offset = begin = _skip_line(stream, start) if start else 0
    number, empty = 1, True
    fields = (field,) if field else SEQUENCE_FIELDS
    while (stop is None or offset < stop) and (line := stream.readline(longest_line + 1)):
        if not line.isspace():
            try:
                name, sequence = _record(line, fields, longest_line)
            except InputError as error:
                yield from builder.finish()
                number += _count_lines(path, begin) if begin else 0
                where = f"{path}, line {number} (byte {offset:,})"
                raise InputError(error.problem, where=where, fix=error.fix, kind=error.kind) from None
            yield from builder.add(name, "", sequence)
            empty = False
        offset += len(line)
        number += 1
    yield from builder.finish()
    if empty and not start and not stream.peek(1):
        raise InputError("has no records", where=path, fix="Leave it out, or check how it was made.", kind="no-record")


def _record(line: bytes, fields: tuple[str, ...], longest: int) -> tuple[str, bytes]:
    """Name and sequence of one line. Errors: `InputError` that does not say where."""
    if len(line) > longest:
        raise InputError(f"is longer than {longest:,} bytes", fix="Check how it was made.", kind="line-too-long")
    if line.startswith(codecs.BOM_UTF8):
        raise InputError(
            "begins with a byte order mark", fix="Remove it: sed '1s/^\\xef\\xbb\\xbf//'.", kind="byte-order-mark"
        )
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error}", fix="Repair the line, or remove it.", kind="not-json") from None
    if not isinstance(row, dict):
        raise InputError(
            f"is {_kind(row)}, not an object", fix='Give lines such as {"text": "ACGT"}.', kind="not-an-object"
        )
    if _may_repeat(line, row):
        _check_repeated(line)
    sequence = _text(row, fields).encode()
    if b"\0" in sequence:
        raise InputError(f"its text has a NUL at base {sequence.index(0) + 1}", fix="Repair the line.", kind="nul")
    return _name(row), sequence


def _may_repeat(line: bytes, row: dict[str, Any]) -> bool:
    """Whether a key may be in `line` twice, of which the parser keeps the last: told without parsing it again.

    A key that is written otherwise, with an escape, needs a backslash; sequences have none.
    """
    return b"\\" in line or any(line.count(b'"%b"' % key.encode()) > 1 for key in row)


def _check_repeated(line: bytes) -> None:
    """That the object in `line` has no key twice. Errors: `InputError` that does not say where."""
    objects: list[list[tuple[str, Any]]] = []
    try:
        json.loads(line, object_pairs_hook=objects.append, parse_int=str, parse_float=str)
    except RecursionError:
        raise InputError("is nested too deep", fix="Repair the line, or remove it.", kind="json-depth") from None
    keys = [key for key, _ in objects[-1]]  # the outermost ends last
    if repeated := [key for key, count in Counter(keys).items() if count > 1]:
        problem = f"has the key {shown(repeated[0])} twice: one of its values would be lost"
        raise InputError(problem, fix="Rename or remove one of them.", kind="key-twice")


def _text(row: dict[str, Any], fields: tuple[str, ...]) -> str:
    for field in fields:
        text = row.get(field)
        if text and isinstance(text, str):
            return text
        if field in row:
            how, kind = ("empty", "no-sequence") if text == "" else (f"{_kind(text)}, not a string", "field-not-text")
            fix = "Repair or remove the line, or name another field."
            raise InputError(f"field {field!r} is {how}", fix=fix, kind=kind)
    there = ", ".join(map(repr, row)) or "none"
    problem = f"has no field {' or '.join(map(repr, fields))}; its fields are: {there[:500]}"
    raise InputError(problem, fix=f"Name the field with {option('text_field')}.", kind="no-text-field")


def _name(row: dict[str, Any]) -> str:
    for field in NAME_FIELDS:
        name = row.get(field)
        if isinstance(name, str | int) and not isinstance(name, bool):
            return str(name)
    return ""


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
