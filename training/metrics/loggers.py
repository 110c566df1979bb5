"""The loggers of a run, from `configs`: TensorBoard, Weights & Biases, MLflow. Nothing leaves the machine unasked."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from configs.schema import TrainConfig
from foundation.errors import InputError
from training.metrics.tracker_settings import tracking_uri

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


def logger_fields(config: TrainConfig) -> dict[str, Any]:
    """Fields of NeMo's `NeMoLogger`. All of them write inside the run directory, or to the configured server."""
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
