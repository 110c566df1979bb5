"""The quick reader gives what Hydra gives: every configuration, every option of every group, and the same refusals."""

import dataclasses
import subprocess
import sys

import pytest
import yaml
from omegaconf import OmegaConf

from configs.compose import compose_config, config_names, group_options
from configs.locate import CONFIGS
from foundation.errors import InputError

DEFAULTS = yaml.safe_load((CONFIGS / "train.yaml").read_text())["defaults"]
GROUPS = sorted(group for entry in DEFAULTS if isinstance(entry, dict) for group in entry)
OPTIONS = [f"{group}={option}" for group in GROUPS for option in group_options(group)]


def same(name: str, *overrides: str) -> None:
    expected = OmegaConf.to_container(compose_config(name, overrides))
    assert dataclasses.asdict(compose_config(name, overrides)) == expected


@pytest.mark.parametrize("name", config_names())
def test_shipped_configurations(name: str) -> None:
    same(name)


@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_groups(option: str) -> None:
    same("train_8b_opengenome2", option)


@pytest.mark.parametrize(
    "override",
    [
        "optimizer.lr=1e-3",
        "optimizer.lr=1",
        "trainer.max_steps=7",
        "optimizer.schedule_steps=9",
        "dataset.sequence_length=null",
        "parallelism.overlap=false",
        "run_dir=a/b",
        "init_from=runs/a/checkpoints/step=6-last",
        "precision.compute=32",
    ],
)
def test_values(override: str) -> None:
    same("train_tiny", override)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_step=3", "no key 'max_step' in trainer. Did you mean 'max_steps'"),
        ("optimiser.lr=3", "no key 'optimiser' in the configuration. Did you mean 'optimizer'"),
        ("trainer.max_steps.x=3", "no key 'max_steps'|no key 'x'"),
        ("trainer.max_steps=many", "'many' could not be converted to int"),
        ("trainer.max_steps=1.5", "could not be converted to int"),
        ("hardware=h1000", "no option 'h1000' in the group hardware.*h100"),
        ("+trainer.extra=1", "is not key=value"),
        ("trainer.max_steps", "is not key=value"),
        ("trainer.max_steps=[1", "no readable value"),
    ],
)
def test_refusals(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compose_config("train_tiny", [override])


def test_it_imports_neither_hydra_nor_omegaconf() -> None:
    code = "import sys, configs.compose; print({'hydra', 'omegaconf', 'torch', 'numpy'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
