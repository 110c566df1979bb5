"""Lightning's loggers for experiment trackers, as a run that may be stopped at any time wants them."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger

from training.metrics.tracker_settings import allow_files, newest_id

NEMOS = (
    *("reduced_train_loss", "val_loss", "lr", "grad_norm"),
    *("global_step", "step", "epoch", "consumed_samples", "global_batch_size"),
)
"""What NeMo logs by itself, without a prefix: said already by `train/…`, `validation/…`, or the configuration."""


class _WithoutNemos:
    """A logger that leaves `NEMOS` out."""

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        """What else there is, with whole steps: Lightning makes NeMo's `step` a float, which MLflow cannot hold."""
        if ours := {name: value for name, value in metrics.items() if name not in NEMOS}:
            super().log_metrics(ours, None if step is None else int(step))  # type: ignore[misc]


class RunTensorBoardLogger(_WithoutNemos, TensorBoardLogger):  # type: ignore[misc]
    """Writes its files into a directory of the run."""

    def __init__(self, *, save_dir: str, version: str) -> None:
        super().__init__(save_dir=save_dir, name="", version=version)


class RunWandbLogger(_WithoutNemos, WandbLogger):  # type: ignore[misc]
    """Continues the run whose files are in `save_dir/wandb`, and ends it when training ends.

    Lightning's own leaves that to the exit of the interpreter, which a process that is killed does not reach.
    """

    def __init__(self, *, project: str, name: str, save_dir: str, offline: bool) -> None:
        super().__init__(
            project=project, name=name, save_dir=save_dir, offline=offline, id=newest_id(save_dir), resume="allow"
        )

    def log_config(self, config: dict[str, Any]) -> None:
        """The values of a run, as its `config.yaml` has them."""
        self.log_hyperparams(config)

    def finalize(self, status: str) -> None:
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if status == "success" else 1)


class RunMLFlowLogger(_WithoutNemos, MLFlowLogger):  # type: ignore[misc]
    """Send no usage data, and write files if there is no server."""

    def __init__(self, *, experiment_name: str, run_name: str, tracking_uri: str) -> None:
        allow_files()
        super().__init__(experiment_name=experiment_name, run_name=run_name, tracking_uri=tracking_uri)

    def log_config(self, config: dict[str, Any]) -> None:
        """The values of a run as parameters `section.key`, in text of at most 250 characters."""
        self.log_hyperparams(flat(config))


def flat(values: Mapping[Any, Any], prefix: str = "") -> dict[str, str]:
    """Nested values by `section.key`, those of a list by `section.key.0`."""
    rows: dict[str, str] = {}
    for key, value in values.items():
        inner = dict(enumerate(value)) if isinstance(value, list) else value
        rows |= flat(inner, f"{prefix}{key}.") if isinstance(inner, Mapping) else {f"{prefix}{key}": str(value)}
    return rows
