"""TensorBoard, Weights & Biases and MLflow with their real packages, all into the run directory, without a network."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from nemo_process import train
from refusal import refused

from configs.compose import compose_config
from foundation.errors import InputError
from launch.preflight.check import check_config
from training.metrics import loggers
from training.metrics.tracking import flat

VALUES = (
    "dataset.sequence_length=64",
    "dataset.micro_batch_size=2",
    "dataset.global_batch_size=4",
    "trainer.max_steps=2",
    "trainer.validate_every=2",
    "trainer.checkpoint_every=100",
)


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps with all of them but TensorBoard."""
    pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    folder = tmp_path_factory.mktemp("logged")
    chosen = ("logging.tensorboard=false", "logging.wandb=dna", "logging.mlflow=genomes")
    log, where = folder / "log", (f"run_dir={folder / 'run'}", f"dataset.corpus={corpus}")
    assert train("--config-name", "train_tiny", *where, *VALUES, *chosen, log=log) == 0, log.read_text()[-3000:]
    return folder / "run"


def test_wandb_writes_a_run_that_can_be_sent_later(run: Path) -> None:
    (folder,) = (run / "wandb").glob("offline-run-*")
    (file,) = folder.glob("*.wandb")
    assert b"train/bits_per_base" in file.read_bytes()
    assert b"validation/bits_per_base" in file.read_bytes()
    assert "wandb sync" in (run.parent / "log").read_text()  # it was ended, and not cut off


def test_a_resumed_run_goes_on_in_wandb(run: Path) -> None:
    from training.metrics.tracker_settings import newest_id
    from training.metrics.tracking import RunWandbLogger

    (folder,) = (run / "wandb").glob("offline-run-*")
    logger = RunWandbLogger(project="dna", name="run", save_dir=str(run), offline=True)
    assert logger._wandb_init["id"] == newest_id(str(run)) == folder.name.rpartition("-")[2]
    assert logger._wandb_init["resume"] == "allow"
    assert newest_id(str(run.parent)) is None


def test_mlflow_has_the_numbers_of_the_run_log(run: Path) -> None:
    (experiment,) = (
        path.parent for path in (run / "mlruns").glob("*/meta.yaml") if "name: genomes" in path.read_text()
    )
    (tracked,) = (path for path in experiment.iterdir() if path.is_dir())
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for name in ("loss", "bits_per_base", "tokens_per_second"):
        lines = [line.split() for line in (tracked / "metrics" / "train" / name).read_text().splitlines()]
        found = {int(step): float(value) for _, value, step in lines}
        assert found == {row["step"]: row[name] for row in rows if "loss" in row}
    assert "run_name: run" in (tracked / "meta.yaml").read_text()


def test_mlflow_and_wandb_have_the_configuration(run: Path) -> None:
    """All of `config.yaml`, and no second name for a number: NeMo logs some of them too."""
    (folder,) = (path.parent for path in run.glob("mlruns/*/*/params"))
    params = {path.name: path.read_text() for path in (folder / "params").iterdir()}
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert params == flat(config)
    assert (params["seed"], params["trainer.max_steps"]) == ("1234", "2")
    names = {path.relative_to(folder / "metrics").parts[0] for path in (folder / "metrics").rglob("*")}
    assert names == {"train", "validation"}
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    assert b"schedule_steps" in file.read_bytes()
    assert b"reduced_train_loss" not in file.read_bytes()


def test_a_blend_fits_into_parameters() -> None:
    blend = [{"corpus": "a" * 200, "weight": 0.5}, {"corpus": "b", "weight": 1.0}]
    rows = flat({"dataset": {"corpus": blend, "stride": None}})
    assert rows["dataset.corpus.1.weight"] == "1.0"
    assert (rows["dataset.stride"], len(rows), max(map(len, rows.values()))) == ("None", 5, 200)


def test_nothing_else_is_written(run: Path) -> None:
    assert {path.name for path in run.iterdir()} - {"checkpoints", "nemo_logs"} == {
        ".lock",
        "config.yaml",
        "metrics.jsonl",
        "mlruns",
        "wandb",
    }


@pytest.mark.parametrize(
    ("override", "kind", "fix"),
    [
        ("logging.mlflow_uri=http://x", "mlflow-uri-alone", "logging.mlflow=EXPERIMENT"),
        ("logging.wandb_offline=false", "wandb-online-alone", "logging.wandb=PROJECT"),
    ],
)
def test_a_setting_of_a_logger_that_is_not_there(override: str, kind: str, fix: str) -> None:
    with refused(kind, names=override, fix=fix):
        check_config(compose_config("train_tiny", [override]))


@pytest.mark.parametrize(("name", "line"), [("wandb", "pip install wandb"), ("mlflow", "pip install -e '.[mlflow]'")])
def test_a_missing_package_is_named(name: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Callable[[str], None] = lambda package: None  # noqa: E731
    monkeypatch.setattr(loggers, "find_spec", missing)
    with pytest.raises(InputError) as raised:
        check_config(compose_config("train_tiny", [f"logging.{name}=dna"]))
    assert raised.value.kind == "missing-package"
    assert raised.value.fix.endswith(line)
    assert line in (Path(__file__).parents[3] / "docs" / "training.md").read_text()
    check_config(compose_config("train_tiny"))


def test_tensorboard_is_the_default_and_the_others_are_offline() -> None:
    values = compose_config("train_8b_opengenome2").logging
    assert (values.tensorboard, values.wandb, values.wandb_offline, values.mlflow) == (True, None, True, None)
