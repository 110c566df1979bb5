"""A directory of configurations of one's own, composed by Hydra from its files and the shipped ones."""

from pathlib import Path
from typing import Any

from configs.foreign import check_foreign
from configs.locate import CONFIGS
from foundation.errors import InputError


def compose_own(name: str, choices: dict[str, str], directory: Path) -> dict[str, Any]:
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
