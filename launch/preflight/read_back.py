"""A recipe after the overrides of `nemo llm pretrain`, read back as a configuration, so that both doors check alike.

NeMo-Run applies them to the recipe that a factory has returned, where no check of a configuration sees them.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fiddle
from nemo_run.cli.cli_parser import CLIException, parse_cli_args

from configs.llama import LlamaArchitecture, from_megatron_fields
from configs.overrides import read_text
from configs.schema import TrainConfig
from configs.settings import rows
from foundation.errors import InputError
from launch.preflight.check import check_config
from launch.preflight.checks import Run, refuse_first
from launch.preflight.nemo_overrides import recipe_overrides
from launch.preflight.start import warn
from training.places import at, read_settings

HERE = ("genomic_cpu", "genomic_local", "local", "torchrun")
"""Executors that train on the machine where the command is given."""


def check_command(config: TrainConfig, recipe: fiddle.Buildable[Any], arguments: Sequence[str]) -> TrainConfig:
    """Check the recipe that `arguments` make of `recipe`, which is that of `config`, as `recipes.train` checks one.

    Returns the configuration that the changed recipe has. Errors: `InputError`. A value that NeMo-Run cannot read is
    left to it.
    """
    words = recipe_overrides(arguments)
    meant = _as_settings(words)
    try:
        changed = parse_cli_args(copy.deepcopy(recipe), words)
    except CLIException:
        return config
    for place, value in meant.items():
        _check_same_reading(place, value, at(changed, place))
    config = read_back(config, changed)
    architecture, sequence_length = check_config(config, _architecture(changed))
    warn(config)
    if _trains_in_this_process(arguments):
        run = Run(
            config=config,
            architecture=architecture,
            sequence_length=sequence_length,
            started=not any("executor=" in one for one in arguments),
            own_checkpoints=_writes_where_it_says(config, changed),
        )
        refuse_first(run)
    return config


def read_back(config: TrainConfig, recipe: fiddle.Buildable[Any]) -> TrainConfig:
    """A copy of `config` with the values that `recipe` has. Errors: `InputError` for one of a wrong type."""
    plugin = recipe.trainer.plugins
    if plugin.fp8 is None and "fp8_recipe" in fiddle.ordered_arguments(plugin, include_defaults=False):
        where, fix = "trainer.plugins.fp8_recipe", "Add trainer.plugins.fp8=hybrid."
        raise InputError("is given without FP8", where=where, fix=fix, kind="fp8-scaling-without-fp8")
    return read_settings(recipe, config)


def _writes_where_it_says(config: TrainConfig, recipe: fiddle.Buildable[Any]) -> bool:
    """Whether checkpoints are in `run_dir`, as the configuration has it: NeMo's overrides can lead them elsewhere."""
    own = str(Path(config.run_dir) / "checkpoints")
    return all(at(recipe, place) == own for place in ("log.ckpt.dirpath", "resume.resume_from_directory"))


def _as_settings(words: Sequence[str]) -> dict[str, Any]:
    """What each `place=value` of a setting means by the one reader of all commands. Errors: `InputError`, as there."""
    table = {place: row for row in rows(TrainConfig) for place in row.nemo}
    split = (word.partition("=") for word in words)
    return {
        place: read_text(table[place].type, "null" if text == "None" else text, place)
        for place, _, text in split
        if place in table and table[place].codec != "dtype"
    }


def _check_same_reading(place: str, meant: Any, taken: Any) -> None:
    """Refuse a value of which NeMo-Run, whose parser reads Python, would make another. Errors: `InputError`."""
    if isinstance(taken, str) and not isinstance(meant, str):  # left as text: lists, trainer.devices
        taken = read_text(type(meant) if isinstance(meant, int) else Any, taken, place)
    numbers = isinstance(taken, (int, float)) and isinstance(meant, (int, float))
    if taken != meant or not (numbers or type(taken) is type(meant)):
        problem = f"is {meant!r}, of which NeMo-Run makes {taken!r}"
        fix = f"Write it as Python does: {place}={meant!r}, in quotes for the shell."
        raise InputError(problem, where=place, fix=fix, kind="read-differently")


def _architecture(recipe: fiddle.Buildable[Any]) -> LlamaArchitecture:
    return from_megatron_fields(fiddle.ordered_arguments(recipe.model.config), dtype="bfloat16", where="model.config")


def _trains_in_this_process(arguments: Sequence[str]) -> bool:
    if any(one in ("--dryrun", "--repl") or one.startswith("--to-") for one in arguments):
        return False
    executors = [one.partition("executor=")[2].partition("(")[0] for one in arguments if "executor=" in one]
    return all(name in HERE for name in executors)
