"""A user's directory of configurations, composed by Hydra from its files and the shipped ones.

It is looked at first, since it may come from elsewhere: it gives values for our keys, and no more. Hydra would load
callbacks and plugins that a configuration names, import packages from its search path, and read files and environment
variables of whoever runs it.
"""

import re
from pathlib import Path
from typing import Any

from configs.locate import CONFIGS
from foundation.errors import InputError
from foundation.untrusted import read_yaml, read_yaml_text

_PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)", re.MULTILINE)
_FIX = "Remove it. Settings of Hydra itself belong on the command line."


def compose_user_config(name: str, choices: dict[str, str], directory: Path) -> dict[str, Any]:
    """The values of the configuration `name` in `directory` with the chosen options of groups, references unresolved.

    Errors: `InputError` for what Hydra refuses, and for a directory that reaches beyond itself.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    check_foreign(directory)
    register_schema()
    GlobalHydra.instance().clear()
    words = [f"hydra.searchpath=[file://{CONFIGS}]", *(f"{group}={option}" for group, option in choices.items())]
    try:
        with initialize_config_dir(str(directory.resolve()), version_base="1.3"):
            config = compose(name, overrides=words)
        tree: dict[str, Any] = OmegaConf.to_container(config)  # type: ignore[assignment]
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_first_lines(error), where=directory / f"{name}.yaml", kind="not-composed") from error
    return tree


def register_schema() -> None:
    """Make `configs.schema` known to Hydra; done again at no cost."""
    from hydra.core.config_store import ConfigStore

    from configs.schema import TrainConfig

    ConfigStore.instance().store(name="schema", node=TrainConfig)


def _first_lines(error: Exception) -> str:
    texts = [str(error), str(error.__cause__ or "")]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    ends = next((index for index, line in enumerate(lines) if line.startswith("Config search path")), len(lines))
    return " ".join(line for line in lines[:ends] if line and not line.startswith(("full_key", "object_type")))


def check_foreign(directory: Path) -> None:
    """Refuse a directory that reaches beyond itself and our schema. Errors: `InputError` naming file and value."""
    for path in sorted(directory.rglob("*")):
        if path.suffix in (".yaml", ".yml") and not path.is_dir():
            if not path.resolve().is_relative_to(directory.resolve()):
                fix = "Put the file itself there."
                raise InputError("is a link that leads out of the directory", where=path, fix=fix, kind="link-outside")
            _check_file(path)


def _check_file(path: Path) -> None:
    text = read_yaml_text(path, interpolations=False)
    content = read_yaml(path)
    if not isinstance(content, dict):
        return  # Hydra says what is wrong with it
    names = [str(key) for key in content] + [str(part) for part in _PACKAGE.findall(text)]
    for name in names:
        if re.match(r"hydra\b|_global_\.hydra\b", name):
            raise InputError(f"configures Hydra: {name!r}", where=path, fix=_FIX, kind="configures-hydra")
    defaults = content.get("defaults")
    for entry in defaults if isinstance(defaults, list) else []:
        for part in [*entry, *entry.values()] if isinstance(entry, dict) else [entry]:
            if re.search(r"\.\.|://|\bhydra\b", str(part)):
                raise InputError(
                    f"has the default {str(part)!r}, which leads elsewhere",
                    where=path,
                    fix=_FIX,
                    kind="default-elsewhere",
                )
