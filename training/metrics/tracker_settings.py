"""What Weights & Biases and MLflow get, from either training engine."""

import os
import re
from pathlib import Path

from configs.schema import TrainConfig


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
