"""The door of the Python API: arguments are checked against their annotations, and errors name parameters."""

import dataclasses
import inspect
import os
import types
import typing
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from foundation.errors import InputError, shown
from foundation.spelling import spelt_for_python
from foundation.typed import from_json, optional
from genomic_llama.api.paths import read_path

P = ParamSpec("P")
R = TypeVar("R")

_MODEL = "PreTrainedModel"
_PLAIN = (int, float, str, bool)


def public(function: Callable[P, R]) -> Callable[P, R]:
    """`function` for callers in Python: wrong types are refused before any work, by name.

    Numbers of numpy, arrays, lists for tuples, and paths of any kind become what the annotation says. What an
    annotation in quotes allows is left to `function`, but for a model.
    Errors: `InputError` of the kinds `wrong-type` and `not-a-model`.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # Python's own error, which names the function
        with spelt_for_python():
            for name, value in given.arguments.items():
                given.arguments[name] = read_argument(signature.parameters[name].annotation, value, name)
            return function(*given.args, **given.kwargs)

    return checked


def read_argument(kind: Any, value: Any, where: str) -> Any:
    """`value` as the annotation `kind` has it. Errors: `InputError` with `where`, the parameter's name."""
    if kind == _MODEL:
        return _model(value, where)
    inner, may_be_none = optional(kind)
    if (value is None and may_be_none) or isinstance(kind, str):
        return value
    if dataclasses.is_dataclass(inner) and isinstance(inner, type):
        return _instance(inner, value, where)
    fix = f"Give {inspect.formatannotation(kind)}."
    if typing.get_origin(inner) is Literal:
        inner = str  # which names there are, the function says
    items = typing.get_args(inner)
    if typing.get_origin(inner) is Sequence and items[0] in (*_PLAIN, Path):
        alone = items[0] in (str, Path) and isinstance(value, str | os.PathLike)
        return _tuple((items[0], ...), [value] if alone else value, where, fix)
    if typing.get_origin(inner) is tuple:
        return _tuple(items, value, where, fix)
    if inner not in (*_PLAIN, Path):
        return value
    read = from_json(inner, _as_python(value), where, fix=fix)
    return type(read)(read_path(value, where)) if _is_path(kind) else read


def _is_path(kind: Any) -> bool:
    """Whether an annotation is of paths: `Path`, or `str | PathLike[str]`."""
    return any(one is Path or typing.get_origin(one) is os.PathLike for one in (kind, *typing.get_args(kind)))


def _model(value: Any, where: str) -> Any:
    if not hasattr(value, "config"):
        fix = "Give what `genomic_llama.load_model` returned."
        raise InputError(f"is {shown(value)}, not a model", where=where, fix=fix, kind="not-a-model")
    return value


def _instance(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, kind):
        fix = f"Give a {kind.__module__}.{kind.__qualname__}."
        raise InputError(f"is {shown(value)}, not {kind.__name__}", where=where, fix=fix, kind="wrong-type")
    return value


def _tuple(items: tuple[Any, ...], value: Any, where: str, fix: str) -> tuple[Any, ...]:
    """A tuple of as many items as the annotation says; `...` stands for any number."""
    kind: Any = types.GenericAlias(tuple, (items[0], ...))
    read: tuple[Any, ...] = from_json(kind, _listed(value), where, fix=fix)
    if items[0] is Path:
        read = tuple(read_path(one, f"{where}[{number}]") for number, one in enumerate(_listed(value)))
    if items[-1] is not Ellipsis and len(read) != len(items):
        problem = f"is {shown(value)}, which has {len(read)} items, not {len(items)}"
        raise InputError(problem, where=where, fix=fix, kind="wrong-type")
    return read


def _listed(value: Any) -> Any:
    """What can be gone through as a list of plain values; anything else as it is."""
    value = _as_python(value)
    known = isinstance(value, Sequence | set | frozenset | types.GeneratorType) and not isinstance(value, str | bytes)
    return [_as_python(one) for one in value] if known else value


def _as_python(value: Any) -> Any:
    """Numbers and arrays of numpy, pandas and torch as Python's own; a path as text."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.tolist() if hasattr(value, "tolist") and not isinstance(value, type) else value
