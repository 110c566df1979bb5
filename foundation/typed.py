"""Plain values (of JSON or YAML) to frozen dataclasses and back, strictly: the one reader of all our file formats.

A key that is missing, unknown or of the wrong type is an error that names it, as `where.key[index]`.
"""

import dataclasses
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from foundation.errors import InputError, nearest, shown

T = TypeVar("T")

MISSING = "???"
"""The default of a field that has to be given; OmegaConf's mark, written out to stay quick to import."""


def to_json(value: object) -> Any:
    """Dataclasses as objects, tuples as lists, paths as strings."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_json(getattr(value, name)) for name in hints(type(value))}
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    return [to_json(item) for item in value] if isinstance(value, (tuple, list)) else value


def from_json(kind: type[T], value: Any, where: str, *, fix: str = "") -> T:
    """`value` as `kind`, every key given: what one of our own programs wrote. `fix` says what to do with another.

    `kind` is a dataclass of str, int, float, bool, Path, None, Any, tuple[X, ...], list[X], dict[str, X], Literal and
    dataclasses. Errors: `InputError` of the kinds `unknown-key`, `missing-key` and `wrong-type`.
    """
    result: T = _Reader(defaults=False, fix=fix).read(kind, value, where)
    return result


def from_settings(kind: type[T], value: Any, where: str = "", *, fix: str = "") -> T:
    """`value` as `kind` as a person writes it: fields have defaults, and a whole number may stand for text.

    Errors: `InputError`, as `from_json`; `missing-value` for a field whose default is `MISSING`.
    """
    result: T = _Reader(defaults=True, fix=fix).read(kind, value, where)
    return result


@cache
def hints(kind: type) -> dict[str, Any]:
    """Fields of a dataclass with their types, which Python takes long to resolve."""
    return typing.get_type_hints(kind)


def optional(kind: Any) -> tuple[Any, bool]:
    """The type without `None`, and whether it allows `None`."""
    if typing.get_origin(kind) not in (types.UnionType, typing.Union):
        return kind, False
    kinds = typing.get_args(kind)
    return next(one for one in kinds if one is not type(None)), type(None) in kinds


@cache
def _parts(kind: Any) -> tuple[Any, bool, bool, Any, tuple[Any, ...]]:
    """A type without `None`, whether it allows `None`, whether it is a dataclass, its origin and its arguments."""
    kind, may_be_none = optional(kind)
    is_dataclass = dataclasses.is_dataclass(kind) and isinstance(kind, type)
    return kind, may_be_none, is_dataclass, typing.get_origin(kind), typing.get_args(kind)


@cache
def _fields(kind: type) -> "dict[str, dataclasses.Field[Any]]":
    return {field.name: field for field in dataclasses.fields(kind)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Reader:
    defaults: bool
    fix: str

    def read(self, kind: Any, value: Any, where: str) -> Any:
        kind, may_be_none, is_dataclass, origin, arguments = _parts(kind)
        if value is None and may_be_none:
            return None
        if is_dataclass:
            return self._dataclass(kind, value, where)
        if origin in (tuple, list):
            items = self._typed(list, value, where)
            return origin(self.read(arguments[0], item, f"{where}[{number}]") for number, item in enumerate(items))
        if origin is dict:
            items = self._typed(dict, value, where).items()
            return {self._typed(str, key, where): self.read(arguments[1], one, f"{where}.{key}") for key, one in items}
        if origin is typing.Literal:
            return self._literal(arguments, value, where)
        if kind is Any:
            return value
        if kind is Path:
            return Path(self._typed(str, value, where))
        return self._number(value, where) if kind is float else self._typed(kind, value, where)

    def _dataclass(self, kind: type, value: Any, where: str) -> Any:
        fields, kinds = _fields(kind), hints(kind)
        for key in self._typed(dict, value, where):
            if key not in fields:
                raise InputError(
                    f"unknown key {shown(key)}", where=where or None, fix=nearest(key, fields), kind="unknown-key"
                )
        given = {}
        for name, field in fields.items():
            inside = f"{where}.{name}" if where else name
            if name in value and value[name] != MISSING:
                given[name] = self.read(kinds[name], value[name], inside)
            elif not self.defaults:
                raise InputError(f"lacks the key {name!r}", where=where, fix=self.fix, kind="missing-key")
            else:
                given |= self._default(kinds[name], field, inside)
        return kind(**given)

    def _default(self, kind: Any, field: "dataclasses.Field[Any]", where: str) -> dict[str, Any]:
        """Nothing where the class itself has a default; a section of defaults may lack a value inside."""
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return {field.name: self.read(kind, {}, where)}
        without = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if without or field.default == MISSING:
            raise InputError("has no value", where=where, fix=self.fix or f"Add {where}=VALUE.", kind="missing-value")
        return {}

    def _typed(self, kind: Any, value: Any, where: str) -> Any:
        if self.defaults and kind is str and type(value) is int:
            return str(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            name = "number" if isinstance(kind, tuple) else kind.__name__
            problem = f"is {shown(value)}, not {_WORDS.get(name, name)}"
            raise InputError(problem, where=where or None, fix=self.fix, kind="wrong-type")
        return value

    def _number(self, value: Any, where: str) -> float:
        try:
            return float(self._typed((int, float), value, where))
        except OverflowError:  # of a whole number that no float is near
            raise InputError(f"is {shown(value)}", where=where or None, fix=self.fix, kind="wrong-type") from None

    def _literal(self, choices: tuple[Any, ...], value: Any, where: str) -> Any:
        if value not in choices or isinstance(value, bool):
            known = ", ".join(map(str, choices))
            raise InputError(f"is {shown(value)}", where=where, fix=f"Use one of {known}.", kind="wrong-choice")
        return value


_WORDS = {
    "int": "a whole number",
    "number": "a number",
    "str": "text",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping of keys to values",
}
