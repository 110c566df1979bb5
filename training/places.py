"""The settings of `configs.schema` in NeMo's objects: written into a recipe, read back from one, read from a live run.

Both directions follow the rows of the schema; nothing here knows a setting by name.
"""

import copy
from types import SimpleNamespace
from typing import Any

import torch

from configs.overrides import read_text
from configs.schema import TrainConfig
from configs.settings import Row, get_setting, rows, set_setting
from foundation.errors import InputError
from foundation.typed import MISSING, from_settings, optional

ABSENT = object()
"""What `at` gives where a recipe has no such place."""


def write_settings(recipe: Any, config: TrainConfig, *, engine: str = "nemo") -> None:
    """Put every setting of `config` into its places in the `recipe` of an engine, whose parts are there already."""
    for row in rows(type(config)):
        value = get_setting(config, row.key)
        if row.is_off(value) or _idle(row, config):
            continue
        for place in getattr(row, engine):
            parent, _, name = place.rpartition(".")
            part = at(recipe, parent) if parent else recipe
            assert part not in (ABSENT, None), f"the recipe has no {parent}, where {row.key} belongs"
            setattr(part, name, _encode(row, value))


def read_settings(recipe: Any, config: TrainConfig) -> TrainConfig:
    """A copy of `config` with the values that `recipe` has, for each setting that has a place in it.

    Errors: `InputError` for a value of a wrong type, and of the kind `places-disagree`.
    """
    return _read(recipe, config, {row.key: row.nemo for row in rows(type(config))})


def live_settings(trainer: Any, pl_module: Any, config: TrainConfig) -> TrainConfig:
    """A copy of `config` with the values of a running trainer, however it was started."""
    return _read(
        _live_objects(trainer, pl_module),
        config,
        {row.key: (row.live,) if row.live else row.nemo[:1] for row in rows(type(config)) if row.live != "-"},
    )


def at(node: Any, place: str) -> Any:
    """Value at a place of a recipe or of live objects, including `None`; `ABSENT` if there is no such place."""
    for part in place.split("."):
        name, bracket, wanted = part.partition("[")
        node = getattr(node, name, ABSENT)
        if bracket and node is not ABSENT:
            node = next((one for one in node if wanted.removesuffix("]") in _class_names(one)), ABSENT)
    return node


def _read(node: Any, config: TrainConfig, places: dict[str, tuple[str, ...]]) -> TrainConfig:
    config = copy.deepcopy(config)
    table = [row for row in rows(type(config)) if places.get(row.key)]
    for row in sorted(table, key=lambda row: bool(row.needs or row.unless)):  # those that others need come first
        if _idle(row, config):
            continue
        if row.gate and at(node, row.gate) in (ABSENT, None):
            set_setting(config, row.key, row.off)
            continue
        found = {
            place: _decode(row, value, place) for place in places[row.key] if (value := at(node, place)) is not ABSENT
        }
        if found:
            set_setting(config, row.key, _same(row, found))
    return config


def _same(row: Row, found: dict[str, Any]) -> Any:
    """The value of the right type that all places have. Errors: `InputError`."""
    (first, value), *others = found.items()
    for place, other in others:
        if other != value:
            problem = f"is {value!r}, but {place} is {other!r}"
            raise InputError(problem, where=first, fix="Give both the same value.", kind="places-disagree")
    return from_settings(row.type, value, first)


def _idle(row: Row, config: TrainConfig) -> bool:
    """Whether the setting that this one needs is off, or one that overrides it is on, so that it has no effect."""
    without = bool(row.needs) and _is_off(config, row.needs)
    return without or (bool(row.unless) and not _is_off(config, row.unless))


def _is_off(config: TrainConfig, key: str) -> bool:
    return get_setting(config, key) in (None, False, 0, "none")


def _encode(row: Row, value: Any) -> Any:
    return getattr(torch, value) if row.codec == "dtype" else copy.deepcopy(value)


def _decode(row: Row, value: Any, place: str) -> Any:
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    kind, may_be_none = optional(row.type)
    if value is None and not may_be_none and row.default != MISSING:
        return row.default  # NeMo's own default
    if row.codec == "precision" and isinstance(value, str):
        return value.removesuffix("-true")
    if isinstance(value, str) and kind is not str:  # as NeMo-Run leaves trainer.devices=2, and lists
        return read_text(kind, value, place)
    return copy.deepcopy(value)


def _class_names(one: Any) -> set[str]:
    """The classes of an object, or of what a `run.Config` will build."""
    kind = getattr(one, "__fn_or_cls__", None) or type(one)
    return {base.__name__ for base in getattr(kind, "__mro__", (kind,))}


def _live_objects(trainer: Any, pl_module: Any) -> SimpleNamespace:
    """The objects of a run under the names that a recipe has for them."""
    adapters = at(trainer, "callbacks[PEFT]")
    return SimpleNamespace(
        trainer=_LiveTrainer(trainer),
        model=pl_module,
        data=trainer.datamodule,
        optim=pl_module.optim,
        log=SimpleNamespace(ckpt=trainer.checkpoint_callback),
        peft=None if adapters is ABSENT else adapters,
    )


class _LiveTrainer:
    """The trainer, with the number formats of its precision plugin as `plugins`."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self.plugins = trainer.precision_plugin.dtype_config

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)
