"""A Hydra configuration by name, checked against the schema; a misspelt override is an error with the nearest name."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from configs.foreign import check_foreign
from configs.locate import CONFIGS
from foundation.errors import InputError, nearest


def compose_config(name: str, overrides: Sequence[str] = (), *, directory: Path | None = None) -> Any:
    """The resolved configuration `name` (an OmegaConf node of type `TrainConfig`) with `key=value` overrides.

    `directory` holds a configuration of one's own; its `defaults` find those of `configs/` too.

    Errors: `InputError` for an unknown configuration, key, group or option, a value of the wrong type or a missing one.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    register_schema()
    if directory is not None and not directory.is_dir():
        raise InputError("no such directory", where=directory, fix="Give the directory of a configuration.")
    if directory is not None:
        check_foreign(directory)
    known = config_names() if directory is None else sorted(path.stem for path in directory.glob("*.yaml"))
    home = CONFIGS if directory is None else directory.resolve()
    search_path = [] if directory is None else [f"hydra.searchpath=[file://{CONFIGS}]"]
    if name not in known:
        raise InputError(f"no configuration {name!r}", where=directory or "configs", fix=nearest(name, known))
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(home), version_base="1.3"):
            base = compose(name, overrides=search_path)
            for override in overrides:
                _check_key(override, base, home)
            config = compose(name, overrides=[*search_path, *(_quoted(override) for override in overrides)])
        OmegaConf.resolve(config)
        missing = sorted(OmegaConf.missing_keys(config))
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_first_lines(error), where=f"configs/{name}.yaml") from error
    if missing:
        raise InputError(f"no value for {', '.join(missing)}", where=name, fix=f"Add {missing[0]}=VALUE.")
    return config


def plain(value: Any) -> Any:
    """A value of a configuration, or all of one, without OmegaConf's containers and ours: lists and dicts."""
    from omegaconf import OmegaConf

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def config_names() -> list[str]:
    """The names of the shipped training configurations."""
    return sorted(path.stem for kind in ("train_*", "finetune*") for path in CONFIGS.glob(f"{kind}.yaml"))


def group_options(group: str, *homes: Path) -> list[str]:
    """The options of a group: the shipped ones, and those of other homes of configurations."""
    return sorted({path.stem for home in (CONFIGS, *homes) for path in (home / group).glob("*.yaml")})


def register_schema() -> None:
    """Make `configs.schema` known to Hydra; done again at no cost."""
    from hydra.core.config_store import ConfigStore

    from configs.schema import TrainConfig

    ConfigStore.instance().store(name="schema", node=TrainConfig)


def _check_key(override: str, base: Any, home: Path) -> None:
    from omegaconf import OmegaConf

    key, equals, value = override.partition("=")
    key = key.lstrip("+~")
    if not equals:
        raise InputError(f"override {override!r} has no value", fix="Write key=value.")
    if (group := key.split("@")[0]) in _groups():
        options = group_options(group, home)
        if value not in options and re.fullmatch(r"[\w.-]+", value):
            raise InputError(f"no option {value!r} in the group {group}", fix=nearest(value, options))
        return
    if key.startswith("hydra."):
        return
    node = base
    path: list[str] = []
    for part in key.split("."):
        names = [str(name) for name in node] if OmegaConf.is_dict(node) else []
        if part not in names:
            where = ".".join(path) or "the configuration"
            raise InputError(f"no key {part!r} in {where}", where=override, fix=nearest(part, names))
        node, path = None if OmegaConf.is_missing(node, part) else node[part], [*path, part]


def _quoted(override: str) -> str:
    """A value with an equals sign, as in `checkpoints/step=1000`, in the quotes that Hydra's grammar wants."""
    key, _, value = override.partition("=")
    plain = "=" in value and not re.search(r"['\"\[\]{}()$,\\]", value)
    return f"{key}='{value}'" if plain else override


def _groups() -> list[str]:
    return [path.name for path in CONFIGS.iterdir() if path.is_dir() and any(path.glob("*.yaml"))]


def _first_lines(error: Exception) -> str:
    texts = [str(error), str(error.__cause__ or "")]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    ends = next((index for index, line in enumerate(lines) if line.startswith("Config search path")), len(lines))
    return " ".join(line for line in lines[:ends] if line and not line.startswith(("full_key", "object_type")))
