"""A shipped configuration without Hydra, whose import alone takes as long as a plan may.

It knows the part of Hydra that the files here use: `defaults` with groups and overrides, `@package`, `${…}`, and
`key=value` or `group=option`. A test compares it with Hydra on every configuration and every option of every group.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from configs.compose import config_names, group_options
from configs.locate import CONFIGS
from configs.schema import MISSING, TrainConfig
from foundation.errors import InputError, nearest

_SHAPES = {"list": "Write [one, two].", "dict": "Write {key: value}, with a space after the colon, and quote it."}
_INTERPOLATION = re.compile(r"\$\{([\w.]+)\}")


def quick_config(name: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """The resolved configuration `name` with `key=value` and `group=option` overrides.

    Errors: `InputError` for an unknown configuration, key, group or option, a value of the wrong type or a missing one.
    """
    known = config_names()
    if name not in known:
        raise InputError(f"no configuration {name!r}", where="configs", fix=nearest(name, known))
    values, choices = _split(overrides)
    groups: dict[str, str] = {}
    bodies = _bodies(name, groups)
    tree: dict[str, Any] = {}
    for kind, content in bodies:
        if kind == "group":
            group = str(content)
            _merge(tree, _group_body(group, choices.pop(group, groups[group])))
        else:
            _merge(tree, content)
    if choices:
        group = next(iter(choices))
        raise InputError(f"no group {group!r} in {name}", fix=nearest(group, groups))
    for key, value in values:
        _set(tree, key, value)
    config: TrainConfig = _typed(TrainConfig, tree, tree, path="")
    return config


def typed_values(schema: Any, values: dict[str, Any], *, where: str) -> Any:
    """An instance of the dataclass `schema` from plain values. Errors: `InputError`, naming the key, as above."""
    return _typed(schema, values, values, path=where)


def group_values(group: str, option: str) -> dict[str, Any]:
    """What an option of a group says, as written."""
    if option not in group_options(group):
        raise InputError(f"no option {option!r} in the group {group}", fix=nearest(option, group_options(group)))
    return _read(CONFIGS / group / f"{option}.yaml")


def _bodies(name: str, groups: dict[str, str]) -> list[tuple[str, Any]]:
    """What is merged, in order: ("group", name) or ("values", mapping). Fills `groups` with the chosen options."""
    content = _read(CONFIGS / f"{name}.yaml")
    bodies: list[tuple[str, Any]] = []
    for entry in content.pop("defaults", []):
        if entry == "_self_":
            bodies.append(("values", content))
        elif isinstance(entry, str) and entry != "schema":
            bodies += _bodies(entry, groups)
        elif isinstance(entry, dict):
            ((key, option),) = entry.items()
            group = key.removeprefix("override ")
            groups[group] = option
            if group == key:
                bodies.append(("group", group))
    return bodies


def _group_body(group: str, option: str) -> dict[str, Any]:
    body = group_values(group, option)
    text = (CONFIGS / group / f"{option}.yaml").read_text(encoding="utf-8")
    package = re.search(r"^# @package (\S+)", text, re.MULTILINE)
    for part in reversed((package[1] if package else group).split(".")):
        body = body if part == "_global_" else {part: body}
    return body


def _read(path: Path) -> dict[str, Any]:
    content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return content or {}


def _split(overrides: Sequence[str]) -> tuple[list[tuple[str, Any]], dict[str, str]]:
    """Values for keys, and options for groups."""
    values: list[tuple[str, Any]] = []
    choices: dict[str, str] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not re.fullmatch(r"[\w.]+", key):
            raise InputError(f"override {override!r} is not key=value", fix="Write, for example, trainer.max_steps=20.")
        if (CONFIGS / key).is_dir():
            choices[key] = value
        else:
            try:
                values.append((key, yaml.safe_load(value)))
            except yaml.YAMLError as error:
                raise InputError(f"override {override!r} has no readable value", fix="Quote it.") from error
    return values, choices


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, leaf = key.split(".")
    node, schema = tree, TrainConfig
    for parent in parents:
        kind = _kinds(schema).get(parent)
        if not dataclasses.is_dataclass(kind):
            raise InputError(f"no key {parent!r} in the configuration", where=key, fix=nearest(parent, _kinds(schema)))
        schema, node = kind, node.setdefault(parent, {})  # type: ignore[assignment]
    if leaf not in _kinds(schema):
        where = ".".join(parents) or "the configuration"
        raise InputError(f"no key {leaf!r} in {where}", where=key, fix=nearest(leaf, _kinds(schema)))
    node[leaf] = value


def _merge(tree: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = dict(value) if isinstance(value, dict) else value


def _kinds(schema: Any) -> dict[str, Any]:
    return typing.get_type_hints(schema)


def _typed(schema: Any, values: dict[str, Any], root: dict[str, Any], *, path: str) -> Any:
    """An instance of the dataclass `schema` from `values`, with interpolations looked up in `root`."""
    kinds = _kinds(schema)
    for key in values:
        if key not in kinds:
            raise InputError(f"no key {key!r} in {path or 'the configuration'}", fix=nearest(key, kinds))
    given: dict[str, Any] = {}
    for field in dataclasses.fields(schema):
        where, kind = f"{path}.{field.name}".lstrip("."), kinds[field.name]
        if dataclasses.is_dataclass(kind):
            given[field.name] = _typed(kind, values.get(field.name, {}), root, path=where)
        elif values.get(field.name) == MISSING or (field.name not in values and field.default == MISSING):
            raise InputError(f"no value for {where}", fix=f"Add {where}=VALUE.")
        elif field.name in values:
            given[field.name] = _converted(kind, _resolved(values[field.name], root), where)
    return schema(**given)


def _resolved(value: Any, root: dict[str, Any]) -> Any:
    """`value` with what its interpolations lead to, which is of any type where there is nothing beside one."""
    if not isinstance(value, str):
        return value
    whole = _INTERPOLATION.fullmatch(value)
    if whole:
        return _resolved(_at(whole[1], root), root)
    return _INTERPOLATION.sub(lambda match: str(_resolved(_at(match[1], root), root)), value)


def _at(path: str, root: dict[str, Any]) -> Any:
    node: Any = root
    for part in path.split("."):
        node = node[part]
    return node


def _converted(kind: Any, value: Any, where: str) -> Any:
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if value is None and type(None) in kinds:
        return None
    kind = next(one for one in kinds if one is not type(None))
    try:
        if kind is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)  # YAML 1.1 reads 3e-5 as text
        if kind is str and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
        if typing.get_origin(kind) is list and isinstance(value, list):
            (item,) = typing.get_args(kind)
            return [_converted(item, one, where) for one in value]
        if typing.get_origin(kind) is dict and isinstance(value, dict):
            _, item = typing.get_args(kind)
            return {str(key): _converted(item, one, f"{where}.{key}") for key, one in value.items()}
        if kind is Any or type(value) is kind:
            return value
    except ValueError:
        pass
    name = getattr(kind, "__name__", str(kind))
    raise InputError(f"value {value!r} could not be converted to {name}", where=where, fix=_SHAPES.get(name, ""))
