"""The recipes under their names, for `nemo llm pretrain --factory NAME`. NeMo-Run loads this module by entry point."""

import sys
from pathlib import Path
from typing import Optional

import nemo_run as run
from nemo.collections import llm

import recipes.connectors  # noqa: F401 - registers them, for `nemo llm import` and `nemo llm export`
from configs.compose import compose_config
from recipes.overrides import check_overrides
from recipes.recipe import pretrain_recipe

FACTORIES = {
    "llama3_tiny_genomic": "train_tiny",
    "llama3_100m_genomic": "train_100m",
    "llama3_300m_genomic": "train_300m",
    "llama3_1b_genomic": "train_1b",
    "llama3_3b_genomic": "train_3b",
    "llama3_8b_genomic": "train_8b_opengenome2",
}
"""Factory name -> configuration in `configs/`."""


def _register(name: str, config_name: str) -> None:
    # Optional[...]: NeMo-Run's parser does not know `int | None`.
    def factory(
        num_nodes: Optional[int] = None,  # noqa: UP045
        devices: Optional[int] = None,  # noqa: UP045
        run_dir: Optional[str] = None,  # noqa: UP045
    ) -> run.Partial:
        given = {"hardware.num_nodes": num_nodes, "hardware.devices": devices, "run_dir": run_dir}
        overrides = [f"{key}={value}" for key, value in given.items() if value is not None]
        recipe = pretrain_recipe(compose_config(config_name, overrides))
        if Path(sys.argv[0]).name in ("nemo", "nemorun"):
            check_overrides(recipe, sys.argv[1:])
        return recipe

    factory.__name__ = factory.__qualname__ = name
    factory.__doc__ = f"Pretrain with the configuration `{config_name}`."
    globals()[name] = run.cli.factory(target=llm.pretrain, name=name)(factory)


for _name, _config in FACTORIES.items():
    _register(_name, _config)
