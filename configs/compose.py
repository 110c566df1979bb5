"""A training configuration by name, with `key=value` and `group=option`: the one composer behind every command.

The shipped YAML files use the part of Hydra that is read here: `defaults` with groups and overrides, `@package` and
`${key}`; a test compares the result with Hydra's on every configuration and every option of every group. Hydra itself,
whose import takes longer than a plan, only composes a user's own configuration directory.
"""

import copy
import dataclasses
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from configs.locate import CONFIGS, in_home
from configs.overrides import kind_of, read_text, split_words
from configs.schema import TrainConfig
from configs.settings import rows
from foundation.errors import InputError, nearest
from foundation.typed import from_settings
from foundation.untrusted import read_yaml

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def compose_config(
    name: str, words: Sequence[str] = (), *, directory: Path | None = None, schema: type[TrainConfig] = TrainConfig
) -> TrainConfig:
    """The resolved configuration `name` with `key=value` and `group=option` overrides.

    `directory` is the user's own; its `defaults` may also name files of `configs/`.

    Errors: `InputError` for an unknown configuration, key, group or option, a value of the wrong type or a missing one.
    """
    known = config_names(directory)
    if name not in known:
        fix = nearest(name, known)
        raise InputError(f"no configuration {name!r}", where=directory or "configs", fix=fix, kind="unknown-name")
    homes = () if directory is None else (directory,)
    groups = _groups(*homes)
    values, choices = split_words(words, groups)
    for group, option in choices.items():
        _check_option(group, option, *homes)
    tree = _shipped_tree(name, choices) if directory is None else _user_tree(name, choices, directory)
    table = list(rows(schema))
    keys = {row.key for row in table}
    for key, text in values:
        _put(tree, key, read_text(kind_of(schema, key), text, key, keys))
    whole: dict[str, Any] = {}
    for row in table:
        _put(whole, row.key, row.default)
    _merge(whole, tree)
    return from_settings(schema, _resolved(whole, whole, ()))


def hardware_values(gpu: str) -> dict[str, Any]:
    """What the option `gpu` of the group `hardware` says of the machine. Errors: `InputError` for an unknown one."""
    _check_option("hardware", gpu)
    values: dict[str, Any] = _group_body("hardware", gpu)["hardware"]
    return values


def config_names(directory: Path | None = None) -> list[str]:
    """The names of the shipped training configurations, or of those of a directory. Errors: `InputError`."""
    if directory is None:
        return sorted(
            path.stem
            for kind in ("train_*", "finetune*", "classify*", "regress*")
            for path in CONFIGS.glob(f"{kind}.yaml")
        )
    if not directory.is_dir():
        fix = "Give the directory of a configuration."
        raise InputError("no such directory", where=directory, fix=fix, kind="no-directory")
    return sorted(path.stem for path in directory.glob("*.yaml"))


def group_options(group: str, *homes: Path) -> list[str]:
    """The options of a group: the shipped ones, and those of other homes of configurations."""
    return sorted(_shipped_options(group).union(path.stem for home in homes for path in (home / group).glob("*.yaml")))


def to_yaml(config: TrainConfig) -> str:
    """The configuration as YAML, every setting with its value."""
    import yaml  # type: ignore[import-untyped]

    text: str = yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)
    return text


@cache
def _shipped_options(group: str) -> frozenset[str]:
    return frozenset(path.stem for path in (CONFIGS / group).glob("*.yaml"))


@cache
def _shipped_groups() -> frozenset[str]:
    return frozenset(path.name for path in CONFIGS.iterdir() if _shipped_options(path.name))


def _groups(*homes: Path) -> set[str]:
    own = (path.name for home in homes for path in home.iterdir() if any(path.glob("*.yaml")))
    return {*_shipped_groups(), *own}


def _check_option(group: str, option: str, *homes: Path) -> None:
    options = group_options(group, *homes)
    if option not in options:
        problem = f"no option {option!r} in the group {group}"
        raise InputError(problem, where=group, fix=nearest(option, options), kind="unknown-option")


def _shipped_tree(name: str, choices: dict[str, str]) -> dict[str, Any]:
    groups: dict[str, str] = {}
    tree: dict[str, Any] = {}
    bodies = list(_bodies(name, groups))
    for kind, content in bodies:
        _merge(tree, _group_body(content, choices.get(content, groups[content])) if kind == "group" else content)
    for group in choices:
        if group not in groups:
            fix = nearest(group, groups)
            raise InputError(f"no group {group!r} in {name}", where=group, fix=fix, kind="unknown-group")
    return tree


def _bodies(name: str, groups: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """What is merged, in order: ("group", name) or ("values", mapping). Fills `groups` with the chosen options."""
    content = _read(CONFIGS / f"{name}.yaml")
    for entry in content.pop("defaults", []):
        if entry == "_self_":
            yield "values", content
        elif isinstance(entry, str) and entry != "schema":
            yield from _bodies(entry, groups)
        elif isinstance(entry, dict):
            ((key, option),) = entry.items()
            group = key.removeprefix("override ")
            groups[group] = str(option)
            if group == key:
                yield "group", group


def _group_body(group: str, option: str) -> dict[str, Any]:
    path = CONFIGS / group / f"{option}.yaml"
    body = _read(path)
    for part in reversed((_package(path) or group).split(".")):
        body = body if part == "_global_" else {part: body}
    return body


def _user_tree(name: str, choices: dict[str, str], directory: Path) -> dict[str, Any]:
    from configs.user_configs import compose_user_config

    return compose_user_config(name, choices, directory)


def _read(path: Path) -> dict[str, Any]:
    return copy.deepcopy(_parsed(path))


@cache
def _parsed(path: Path) -> dict[str, Any]:
    return read_yaml(path) or {}


@cache
def _package(path: Path) -> str | None:
    """Where Hydra's comment puts the body of a group."""
    found = re.search(r"^# @package (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else None


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
    node[leaf] = value


def _merge(tree: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = dict(value) if isinstance(value, dict) else value


def _resolved(value: Any, root: dict[str, Any], within: tuple[str, ...]) -> Any:
    """`value` with what `${key}` in it leads to, which keeps its type where there is nothing beside one.

    A path that starts with `~/` starts in the home directory, wherever it is written.
    """
    if isinstance(value, dict):
        return {key: _resolved(one, root, within) for key, one in value.items()}
    if isinstance(value, list):
        return [_resolved(one, root, within) for one in value]
    if not isinstance(value, str):
        return value
    if whole := _REFERENCE.fullmatch(value):
        return _at(whole[1], root, within)
    return in_home(_REFERENCE.sub(lambda match: str(_at(match[1], root, within)), value))


def _at(path: str, root: dict[str, Any], within: tuple[str, ...]) -> Any:
    node: Any = root
    for part in path.split("."):
        if not isinstance(node, dict) or part not in node or path in within:
            problem = f"${{{path}}} leads {'in a circle' if path in within else 'to no value'}"
            raise InputError(problem, fix="Write the value itself.", kind="unresolved-reference")
        node = node[part]
    return _resolved(node, root, (*within, path))
