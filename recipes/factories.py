"""The recipes under their names, for `nemo llm pretrain --factory NAME`. NeMo-Run loads this module by entry point."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Optional

import nemo_run as run
from nemo.collections import llm

import recipes.connectors  # noqa: F401 - registers them, for `nemo llm import` and `nemo llm export`
from configs.compose import compose_config
from foundation.telemetry import turn_off_telemetry
from launch.planning.names import FACTORIES, FINETUNE_FACTORIES, HEAD_FACTORIES, LONG_FACTORIES, configuration
from launch.preflight.nemo_overrides import check_overrides
from launch.preflight.read_back import check_command
from launch.submit.executors import genomic_cpu as genomic_cpu
from launch.submit.executors import genomic_local as genomic_local
from launch.submit.executors import genomic_slurm as genomic_slurm
from recipes.recipe import pretrain_recipe
from training.places import at

turn_off_telemetry()  # before NeMo loads the libraries that would send it


def _register(name: str) -> None:
    config_name, own = configuration(name)

    # Optional[...]: NeMo-Run's parser does not know `int | None`.
    def factory(
        num_nodes: Optional[int] = None,  # noqa: UP045
        devices: Optional[int] = None,  # noqa: UP045
        run_dir: Optional[str] = None,  # noqa: UP045
    ) -> run.Partial:
        given = {"hardware.num_nodes": num_nodes, "hardware.devices": devices, "run_dir": run_dir}
        overrides = [f"{key}={value}" for key, value in given.items() if value is not None]
        return _recipe(config_name, [*own, *overrides])

    factory.__name__ = factory.__qualname__ = name
    factory.__doc__ = f"Pretrain with the configuration `{' '.join((config_name, *own))}`."
    globals()[name] = run.cli.factory(target=llm.pretrain, name=name)(factory)


def _register_finetune(name: str) -> None:
    config_name, own = configuration(name)

    def factory(
        init_from: str,
        num_nodes: Optional[int] = None,  # noqa: UP045
        devices: Optional[int] = None,  # noqa: UP045
        run_dir: Optional[str] = None,  # noqa: UP045
        context: Optional[str] = None,  # noqa: UP045
    ) -> run.Partial:
        given = {"hardware.num_nodes": num_nodes, "hardware.devices": devices, "run_dir": run_dir, "context": context}
        overrides = [f"{key}={value}" for key, value in given.items() if value is not None]
        return _recipe(config_name, [*own, f"init_from={init_from}", *overrides])

    factory.__name__ = factory.__qualname__ = name
    factory.__doc__ = f"Fine-tune the checkpoint `init_from` with the configuration `{' '.join((config_name, *own))}`."
    globals()[name] = run.cli.factory(target=llm.finetune, name=name)(factory)


def _register_head(name: str) -> None:
    config_name, own = configuration(name)

    def factory(
        init_from: str,
        train: str,
        num_nodes: Optional[int] = None,  # noqa: UP045
        devices: Optional[int] = None,  # noqa: UP045
        run_dir: Optional[str] = None,  # noqa: UP045
    ) -> run.Partial:
        given = {"hardware.num_nodes": num_nodes, "hardware.devices": devices, "run_dir": run_dir}
        overrides = [f"{key}={value}" for key, value in given.items() if value is not None]
        return _recipe(config_name, [*own, f"init_from={init_from}", f"head.train={train}", *overrides])

    factory.__name__ = factory.__qualname__ = name
    factory.__doc__ = (
        f"Train a head on the labelled sequences `train`, from the checkpoint `init_from`: `{config_name}`."
    )
    globals()[name] = run.cli.factory(target=llm.finetune, name=name)(factory)


def _recipe(config_name: str, overrides: list[str]) -> run.Partial:
    """The recipe of a configuration, checked as `recipes.train` checks it where the command line is NeMo's."""
    config = compose_config(config_name, overrides)
    recipe = pretrain_recipe(config)
    if Path(sys.argv[0]).name in ("nemo", "nemorun"):
        check_overrides(recipe, sys.argv[1:])
        # What the run records as its configuration; NeMo-Run applies the words themselves later.
        at(recipe, "trainer.callbacks[RunLog]").config = asdict(check_command(config, recipe, sys.argv[1:]))
    return recipe


for _name in (*FACTORIES, *LONG_FACTORIES):
    _register(_name)
for _name in FINETUNE_FACTORIES:
    _register_finetune(_name)
for _name in HEAD_FACTORIES:
    _register_head(_name)
