"""What Megatron-Bridge's engine does not know yet is refused by name, before it is imported."""

import json
from pathlib import Path
from typing import Any

import pytest
from refusal import refused
from typer.testing import CliRunner

from configs.compose import compose_config
from configs.schema import TrainConfig
from configs.settings import rows, set_setting
from foundation.errors import InputError
from genomic_llama.cli.main import app
from launch.preflight.engine import (
    READ_HERE,
    check_engine,
    check_engine_is_here,
    check_engine_is_nemo,
    check_engine_of_run,
    check_rates_of_run,
)

pytestmark = pytest.mark.fast

NOT_CARRIED = {
    "optimizer.z_loss": 1e-4,
    "precision.fp8": "delayed",
    "precision.fp8_format": "e4m3",
    "precision.fp8_amax_history": 16,
    "precision.fp8_bf16_layers": 1,
    "precision.fp8_parameters": True,
    "parallelism.context": 2,
    "guards.skip_steps": ["7"],
    "trainer.evaluate_every": 10,
    "guards.hang_seconds": 60.0,
    "guards.hang_factor": 3.0,
    "head.kind": "classify",
}

OTHERWISE = ("parallelism.context",)


@pytest.mark.parametrize(("key", "value"), NOT_CARRIED.items())
def test_a_setting_that_is_not_carried(key: str, value: Any) -> None:
    config = compose_config("train_tiny", ["engine=bridge"])
    check_engine(config)
    set_setting(config, key, value)
    with refused("engine-setting", names=key):
        check_engine(config)


def test_the_table_above_is_complete() -> None:
    """Every setting with a place in NeMo's recipe has one in Bridge's, is read by the engine itself, or is above.

    What has an effect only beside another one is refused as that is.
    """
    absent = {row.key: row.needs for row in rows(TrainConfig) if row.nemo and not row.bridge}
    alone = {key for key, needs in absent.items() if not needs and key not in READ_HERE}
    assert alone <= NOT_CARRIED.keys() <= absent.keys() | set(OTHERWISE)
    assert {needs for needs in absent.values() if needs} <= NOT_CARRIED.keys() | absent.keys()


def test_an_engine_that_there_is_not_and_doors_of_nemo_alone() -> None:
    with refused("engine", fix="bridge"):
        check_engine(compose_config("train_tiny", ["engine=brigde"]))
    check_engine_is_nemo(compose_config("train_tiny"), "a NeMo recipe")
    with refused("engine-door", names="a NeMo recipe"):
        check_engine_is_nemo(compose_config("train_tiny", ["engine=bridge"]), "a NeMo recipe")


def test_the_engine_is_in_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = compose_config("train_tiny", ["engine=bridge"])
    check_engine_is_here(compose_config("train_tiny"))
    with refused("no-megatron-bridge", fix="make bridge"):
        check_engine_is_here(bridge)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "nemo_run" else object())
    with refused("no-nemo", fix="make venv"):
        check_engine_is_here(compose_config("train_tiny"))
    check_engine_is_here(bridge)


def test_cuda_graphs_are_megatron_bridges_alone() -> None:
    given = ["parallelism.cuda_graphs=transformer_engine"]
    with refused("engine-setting", where="engine=nemo", names="parallelism.cuda_graphs", fix="engine=bridge"):
        check_engine(compose_config("train_8b_opengenome2", given))
    check_engine(compose_config("train_8b_opengenome2", [*given, "engine=bridge"]))


def test_plan_refuses_them_as_training_does() -> None:
    given = ["plan", "llama3_8b_genomic", "parallelism.cuda_graphs=local"]
    refusal = CliRunner().invoke(app, given).exception
    assert isinstance(refusal, InputError)
    assert refusal.kind == "engine-setting"
    assert CliRunner().invoke(app, [*given, "engine=bridge"]).exit_code == 0


@pytest.mark.parametrize(
    ("recipe", "word", "names"),
    [
        ("train_8b_opengenome2", "parallelism.cuda_graphs=locale", "locale"),
        ("train_8b_opengenome2", "dataset.mode=packed", "packed"),
        ("train_8b_opengenome2", "parallelism.recompute_layers=2", "recompute_layers"),
        ("train_tiny", "hardware=cpu", "accelerator=cpu"),
    ],
)
def test_what_cuda_graphs_do_not_go_with(recipe: str, word: str, names: str) -> None:
    given = ["engine=bridge", "parallelism.cuda_graphs=local", word]
    with refused("cuda-graphs", names=names):
        check_engine(compose_config(recipe, given))


@pytest.mark.parametrize(
    ("engine", "other", "name"), [("nemo", "bridge", "iter_0000003"), ("bridge", "nemo", "step=3")]
)
def test_a_run_of_the_other_engine_is_not_begun_again(engine: str, other: str, name: str, tmp_path: Path) -> None:
    config = compose_config("train_tiny", [f"engine={engine}", f"run_dir={tmp_path}"])
    check_engine_of_run(config)
    (tmp_path / "checkpoints" / name).mkdir(parents=True)
    with refused("engine-of-run", where=name, fix=f"engine={other}"):
        check_engine_of_run(config)
    config.engine = other
    check_engine_of_run(config)


def test_a_run_of_megatron_bridge_keeps_its_learning_rates(tmp_path: Path) -> None:
    config = compose_config("train_tiny", ["engine=bridge", f"run_dir={tmp_path}"])
    iteration = tmp_path / "checkpoints" / "iter_0000003"
    iteration.mkdir(parents=True)
    rates = {"lr": config.optimizer.lr, "min_lr": config.optimizer.min_lr}
    (iteration / "run_config.yaml").write_text(json.dumps({"optimizer": rates}))
    check_rates_of_run(config)
    config.optimizer.min_lr /= 2
    with refused("optimizer-rates", where=iteration.name, names="min_lr", fix=str(rates["min_lr"])):
        check_rates_of_run(config)
    config.engine = "nemo"
    check_rates_of_run(config)
