"""Lightning's loggers for experiment trackers, as a run that may be stopped at any time wants them."""

import os
import re
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger, WandbLogger


class RunWandbLogger(WandbLogger):  # type: ignore[misc]
    """Goes on with the run whose files `save_dir/wandb` holds, and ends it where training ends.

    Lightning's own leaves that to the exit of the interpreter, which a process that is killed does not reach.
    """

    def __init__(self, *, project: str, name: str, save_dir: str, offline: bool) -> None:
        super().__init__(
            project=project, name=name, save_dir=save_dir, offline=offline, id=newest_id(save_dir), resume="allow"
        )

    def finalize(self, status: str) -> None:
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if status == "success" else 1)


class RunMLFlowLogger(MLFlowLogger):  # type: ignore[misc]
    """Tells MLflow to send no usage data of its own, and that files will do: without a server it wants a database."""

    def __init__(self, *, experiment_name: str, run_name: str, tracking_uri: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        super().__init__(experiment_name=experiment_name, run_name=run_name, tracking_uri=tracking_uri)

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        """With whole steps: Lightning makes the `step` that NeMo logs a float, which MLflow's files cannot hold."""
        super().log_metrics(metrics, None if step is None else int(step))


def newest_id(save_dir: str) -> Any:
    """The id of the newest run in `save_dir/wandb`; None where there is none, and W&B makes one."""
    names = (path.name for path in Path(save_dir, "wandb").glob("*run-*"))
    runs = sorted(match.groups() for name in names if (match := re.fullmatch(r"(?:offline-)?run-(\w+)-(\w+)", name)))
    return runs[-1][1] if runs else None
