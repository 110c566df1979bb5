"""JSON and YAML files of a stranger, read as plain values: bounded in size, depth and in what aliases make of them.

A YAML of twenty lines can stand for 2**20 values, or let a parser recurse until the process dies.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from foundation.errors import InputError
from foundation.regular_file import opener

SIZE_LIMIT = 64 << 20
"""Bytes of a file of settings, names or checksums; the largest known (a record of a conversion) has a few."""

DEPTH_LIMIT = 64
VALUE_LIMIT = 1_000_000
"""Values of a YAML file, each alias counted as expanded."""

_RESOLVER = re.compile(r"\$\{(?!\s*[\w.\[\]]+\s*\})")
"""The start of an interpolation that is more than the name of another key."""

_FIX = "Check how it was made; do not trust it."


def read_json(path: Path, *, limit: int = SIZE_LIMIT, pairs_hook: Any = None) -> Any:
    """The content of a JSON file. Errors: `InputError` for a file that is missing, too large, too deep or not JSON."""
    return parse_json(read_text(path, limit=limit), where=path, pairs_hook=pairs_hook)


def parse_json(text: str, *, where: object, pairs_hook: Any = None) -> Any:
    """The value of a JSON text. Errors: `InputError`, as above."""
    try:
        return json.loads(text, object_pairs_hook=pairs_hook)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        kind = "nested-too-deep" if isinstance(error, RecursionError) else "not-json"
        raise InputError(f"is not JSON ({reason})", where=where, fix=_FIX, kind=kind) from error


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A `pairs_hook` that refuses an object with one key twice, of which JSON takes the last without a word."""
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"{key[:80]!r} is there twice in one object")
        seen.add(key)
    return dict(pairs)


def read_yaml(path: Path, *, limit: int = SIZE_LIMIT) -> Any:
    """The content of a YAML file as plain values; no tag is obeyed. Errors: `InputError`, as for JSON.

    Numbers, true, false and null have YAML 1.2's spellings: 1e-3 is a number; yes, 012, 12:30 and 2024-01-01 are text.
    """
    import yaml  # type: ignore[import-untyped]

    text = read_yaml_text(path, limit=limit)
    try:
        return yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        kind = "yaml-tag" if isinstance(error, yaml.constructor.ConstructorError) else "not-yaml"
        raise InputError(f"cannot be read as YAML ({error})", where=path, fix=_FIX, kind=kind) from error


@cache
def _loader() -> type:
    """A safe loader with the scalars of YAML 1.2's core schema, of which 0o17 and 0x1f stay text too."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    for tag, pattern, letters in (
        ("merge", r"<<", ["<"]),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
        ("float", r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), letters)
    return Loader


def read_yaml_text(path: Path, *, limit: int = SIZE_LIMIT, interpolations: bool = True) -> str:
    """The text of a YAML file that any YAML parser may be given.

    Errors: `InputError`, as for JSON; without `interpolations` also where `${...}` is more than the name of a key:
    OmegaConf's resolvers read the environment.
    """
    import yaml

    text = read_text(path, limit=limit)
    try:
        for scalar in _scalars(text):
            if not interpolations and (found := _RESOLVER.search(scalar)):
                problem = f"uses {scalar[found.start() : found.start() + 40]!r}, which reads more than this file"
                raise InputError(
                    problem, where=path, fix="Give such a value on the command line.", kind="reads-beyond-file"
                )
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        kind = error.kind if isinstance(error, _BeyondError) else "not-yaml"
        raise InputError(f"cannot be read as YAML ({error})", where=path, fix=_FIX, kind=kind) from error
    return text


class _BeyondError(ValueError):
    """A YAML text goes beyond a limit; `kind` as of the `InputError` that it becomes."""

    def __init__(self, problem: str, kind: str) -> None:
        super().__init__(problem)
        self.kind = kind


def read_text(path: Path, *, limit: int = SIZE_LIMIT) -> str:
    """The text of a UTF-8 file of `limit` bytes at the most. Errors: `InputError`."""
    try:
        with open(path, "rb", opener=opener) as file:
            data = file.read(limit + 1)
    except OSError as error:
        reason = "it does not exist" if isinstance(error, FileNotFoundError) else error.strerror or error
        kind = "missing-file" if isinstance(error, FileNotFoundError) else "cannot-be-read"
        raise InputError(f"cannot be read: {reason}", where=path, fix="Check the path.", kind=kind) from error
    if len(data) > limit:
        raise InputError(f"has more than {limit:,} bytes", where=path, fix=_FIX, kind="too-large")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not text ({error.reason} at byte {error.start:,})", where=path, fix=_FIX, kind="not-text"
        ) from error


def _scalars(text: str) -> Iterator[str]:
    """The scalars of a YAML text, from its events, which nest nothing. Errors: `ValueError` beyond a limit."""
    import yaml

    sizes: dict[str, int] = {}
    anchors: list[str | None] = []
    counts = [0]
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            anchors.append(event.anchor)
            counts.append(1)
            sizes.pop(event.anchor, None)  # an alias within would make a circle
            if len(anchors) > DEPTH_LIMIT:
                raise _BeyondError(f"it is nested deeper than {DEPTH_LIMIT}", "nested-too-deep")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            size, anchor = counts.pop(), anchors.pop()
            counts[-1] += size
            if anchor is not None:
                sizes[anchor] = size
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise _BeyondError(f"the alias {event.anchor!r} stands for what holds it, or for nothing", "yaml-alias")
            counts[-1] += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            counts[-1] += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
            yield event.value
        if sum(counts) > VALUE_LIMIT:
            raise _BeyondError(f"it stands for more than {VALUE_LIMIT:,} values", "too-many-values")
