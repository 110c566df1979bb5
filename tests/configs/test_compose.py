"""Hydra configurations: the shipped ones compose, the seed's usage works to the letter, a misspelt key is named."""

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from refusal import refused

from configs.compose import compose_config, config_names, group_options
from configs.llama import read_architecture
from configs.locate import CONFIGS, find_directory
from configs.user_configs import register_schema

DEFAULTS = yaml.safe_load((CONFIGS / "train.yaml").read_text())["defaults"]
GROUPS = sorted(group for entry in DEFAULTS if isinstance(entry, dict) for group in entry)
OPTIONS = [f"{group}={option}" for group in GROUPS for option in group_options(group)]


@pytest.mark.parametrize("name", config_names())
def test_shipped_configurations_compose_and_lead_somewhere(name: str) -> None:
    config = compose_config(name)
    read_architecture(config.model_tag)
    find_directory(config.dataset.tokenizer_path, holding="tokenizer.json")
    assert config.dataset.global_batch_size % config.dataset.micro_batch_size == 0


def hydras(name: str, words: Sequence[str] = ()) -> dict[str, Any]:
    """What Hydra itself makes of the shipped files."""
    register_schema()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose(name, overrides=list(words))
    content = OmegaConf.to_container(config, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


@pytest.mark.parametrize("name", config_names())
def test_shipped_configurations_are_what_hydra_makes_of_them(name: str) -> None:
    assert dataclasses.asdict(compose_config(name)) == hydras(name)


@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_groups_are_what_hydra_makes_of_them(option: str) -> None:
    assert dataclasses.asdict(compose_config("train_8b_opengenome2", [option])) == hydras(
        "train_8b_opengenome2", [option]
    )


def test_a_configuration_is_composed_without_what_takes_long_to_import() -> None:
    heavy = "{'hydra', 'omegaconf', 'torch', 'numpy', 'pyarrow'}"
    code = "import sys; from configs.compose import compose_config as c; c('train_tiny'); "
    code += f"print({heavy} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_the_usage_of_the_seed_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ["model_tag=./llama3_8b_genomic_config", "dataset.tokenizer_path=./example_checkpoint"]
    config = compose_config("train_8b_opengenome2", overrides)
    assert (config.model_tag, config.dataset.tokenizer_path) == ("./llama3_8b_genomic_config", "./example_checkpoint")
    assert read_architecture(config.model_tag).num_hidden_layers == 32
    assert find_directory(config.dataset.tokenizer_path, holding="tokenizer.json").is_dir()


def test_a_configuration_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "defaults: [train, {override hardware: cpu}, _self_]\n"
        "model_tag: ./llama3_8b_genomic_config\nrun_dir: runs/mine\n"
        "dataset: {tokenizer_path: ./example_checkpoint, corpus: here}\n"
    )
    config = compose_config("mine", ["trainer.max_steps=7"], directory=tmp_path)
    assert (config.dataset.corpus, config.trainer.max_steps, config.hardware.accelerator) == ("here", 7, "cpu")
    with refused("unknown-name", fix="'mine'"):
        compose_config("min", directory=tmp_path)


def test_the_8b_has_the_published_hyper_parameters() -> None:
    config = compose_config("train_8b_opengenome2")
    optimizer = config.optimizer
    assert (optimizer.lr, optimizer.min_lr, optimizer.warmup_steps, optimizer.schedule_steps) == (
        3e-5,
        6e-7,
        2500,
        182314,
    )
    assert (optimizer.beta1, optimizer.beta2, optimizer.eps, optimizer.weight_decay) == (0.9, 0.95, 1e-8, 0.1)
    assert (optimizer.clip_grad, optimizer.embedding_init_std) == (1.0, 1.0)
    assert (config.dataset.global_batch_size, config.trainer.max_steps) == (384, 182314)
    assert not config.precision.grad_reduce_in_fp32  # the one difference: theirs needs ZeRO-3 to fit into 80 GB


def test_groups_change_only_what_differs() -> None:
    config = compose_config("train_8b_opengenome2", ["hardware=cpu", "precision=fp32", "parallelism=plain"])
    assert (config.hardware.accelerator, config.precision.compute) == ("cpu", "32")
    assert config.optimizer == compose_config("train_8b_opengenome2").optimizer


MISSPELT = [
    ("hardware", "h1000", "h100"),
    ("optimizer", "wsdd", "wsd"),
    ("precision", "fp8_curent", "fp8_current"),
    ("parallelism", "gpu_64", "gpus_64"),
    ("data", "opengenome", "opengenome2"),
    ("model", "tinny", "tiny"),
]


@pytest.mark.parametrize(("group", "given", "meant"), MISSPELT)
def test_the_nearest_option_of_a_group_is_named(group: str, given: str, meant: str) -> None:
    with refused("unknown-option", where=group, fix=repr(meant)):
        compose_config("train_tiny", [f"{group}={given}"])


def test_a_missing_value_and_an_unknown_configuration(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("defaults: [train, _self_]\nrun_dir: here\n")
    with refused("missing-value", where="model_tag", fix="model_tag="):
        compose_config("mine", directory=tmp_path)
    for given, meant in (("train_tinny", "train_tiny"), ("train_8b", "train_8b_opengenome2")):
        with refused("unknown-name", names=given, fix=repr(meant)):
            compose_config(given)


def test_options_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("defaults: [train_tiny, _self_]\n")
    (tmp_path / "optimizer").mkdir()
    values = "lr: 1e-9\nmin_lr: 0.0\nwarmup_steps: 1\nschedule_steps: 9\n"
    (tmp_path / "optimizer" / "slow.yaml").write_text(f"# @package optimizer\n{values}")
    assert compose_config("mine", ["optimizer=slow"], directory=tmp_path).optimizer.lr == 1e-9
    with refused("unknown-option", where="optimizer", fix="'slow'"):
        compose_config("mine", ["optimizer=slaw"], directory=tmp_path)
