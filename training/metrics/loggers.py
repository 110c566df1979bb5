"""The loggers of a run, from `configs`: TensorBoard, Weights & Biases, MLflow. Nothing leaves the machine unasked."""

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from configs.schema import TrainConfig
from foundation.errors import InputError

INSTALL = {"wandb": "pip install wandb", "mlflow": "pip install -e '.[mlflow]'"}


def check_loggers(config: TrainConfig) -> None:
    """Refuse a logger whose package is missing, and settings of one that was not asked for. Imports none of them.

    Errors: `InputError` with the line that installs the package.
    """
    values = config.logging
    for name, wanted in (("wandb", values.wandb), ("mlflow", values.mlflow)):
        if wanted is not None and find_spec(name) is None:
            raise InputError(
                f"logging.{name}={wanted}, but {name} is not installed",
                fix=f"Install it from the repository: {INSTALL[name]}",
                kind="missing-package",
            )
    if values.mlflow_uri is not None and values.mlflow is None:
        raise InputError(
            f"logging.mlflow_uri={values.mlflow_uri} without logging.mlflow",
            fix="Add logging.mlflow=EXPERIMENT.",
            kind="mlflow-uri-alone",
        )
    if not values.wandb_offline and values.wandb is None:
        raise InputError(
            "logging.wandb_offline=false without logging.wandb",
            fix="Add logging.wandb=PROJECT.",
            kind="wandb-online-alone",
        )


def tracking_uri(config: TrainConfig) -> str:
    """MLflow's server, or the directory of the run in place of one."""
    return config.logging.mlflow_uri or f"file:{os.path.abspath(config.run_dir)}/mlruns"


def allow_files() -> None:
    """Tell MLflow to send no usage data of its own, and that files will do: without a server it wants a database."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")


def newest_id(run_dir: str) -> str | None:
    """The id of the newest run in `run_dir/wandb`; None where there is none, and W&B makes one."""
    names = (path.name for path in Path(run_dir, "wandb").glob("*run-*"))
    runs = sorted(match.groups() for name in names if (match := re.fullmatch(r"(?:offline-)?run-(\w+)-(\w+)", name)))
    return runs[-1][1] if runs else None


def logger_fields(config: TrainConfig) -> dict[str, Any]:
    """Fields of NeMo's `NeMoLogger`. All of them write inside the run directory, or to the server that was named."""
    import nemo_run as run

    from training.metrics.tracking import RunMLFlowLogger, RunTensorBoardLogger, RunWandbLogger

    values, directory = config.logging, config.run_dir
    fields: dict[str, Any] = {"extra_loggers": []}
    if values.tensorboard:
        fields["tensorboard"] = run.Config(RunTensorBoardLogger, save_dir=directory, version="tensorboard")
    if values.wandb is not None:
        fields["wandb"] = run.Config(
            RunWandbLogger,
            project=values.wandb,
            name=Path(directory).name,
            save_dir=directory,
            offline=values.wandb_offline,
        )
    if values.mlflow is not None:
        fields["extra_loggers"] = [
            run.Config(
                RunMLFlowLogger,
                experiment_name=values.mlflow,
                run_name=Path(directory).name,
                tracking_uri=tracking_uri(config),
            )
        ]
    return fields
