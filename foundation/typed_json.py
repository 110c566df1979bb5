"""Parsed JSON to frozen dataclasses and back, strictly: a missing, unknown or wrongly typed key is an error."""

import dataclasses
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from foundation.errors import InputError, nearest, shown

T = TypeVar("T")


def to_json(value: object) -> Any:
    """Dataclasses as objects, tuples as lists, paths as strings."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_json(getattr(value, name)) for name in _hints(type(value))}
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    return [to_json(item) for item in value] if isinstance(value, tuple) else value


def from_json(kind: type[T], value: Any, where: str) -> T:
    """`value` as `kind`: a dataclass of str, int, float, bool, Path, None, tuple[X, ...], dict[str, X] and dataclasses.

    Errors: `InputError` that names the key, as `where.key[index]`.
    """
    result: T = _convert(kind, value, where)
    return result


def _convert(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _convert(arguments[0], value, where)
    if origin is tuple:
        return tuple(
            _convert(arguments[0], item, f"{where}[{number}]") for number, item in enumerate(_typed(list, value, where))
        )
    if origin is dict:
        return {key: _convert(arguments[1], item, f"{where}.{key}") for key, item in _typed(dict, value, where).items()}
    if kind is Path:
        return Path(_typed(str, value, where))
    return float(_typed((int, float), value, where)) if kind is float else _typed(kind, value, where)


def _dataclass(kind: type, value: Any, where: str) -> Any:
    hints = _hints(kind)
    for key in _typed(dict, value, where):
        if key not in hints:
            raise InputError(f"unknown key {shown(key)}", where=where, fix=nearest(key, hints))
    for key in hints:
        if key not in value:
            raise InputError(f"lacks the key {key!r}", where=where)
    return kind(**{key: _convert(hint, value[key], f"{where}.{key}") for key, hint in hints.items()})


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Fields of a dataclass with their types, which Python takes long to resolve."""
    return typing.get_type_hints(kind)


def _typed(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        names = "number" if isinstance(kind, tuple) else kind.__name__
        raise InputError(f"is {shown(value)}, not a {names}", where=where)
    return value
