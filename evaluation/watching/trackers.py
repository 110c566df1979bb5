"""Curves of a watcher in experiment trackers: TensorBoard, and Weights & Biases where the run itself logs there."""

from pathlib import Path
from typing import Any

from evaluation.watching.run import settings_of


class Trackers:
    """Opened with the first value. A tracker whose package is not installed here is left out."""

    def __init__(self, run: Path, out: Path) -> None:
        self._run, self._out = run, out
        self._opened: list[Any] | None = None

    def log(self, step: int, values: dict[str, float]) -> None:
        """Values by name, at a step of training."""
        if self._opened is None:
            self._opened = [one for one in (_tensorboard(self._out), _wandb(self._run, self._out)) if one]
        for tracker in self._opened:
            tracker.log(step, {f"evaluation/{name}": value for name, value in values.items()})

    def close(self) -> None:
        """Write what is left."""
        for tracker in self._opened or ():
            tracker.close()
        self._opened = None


class _TensorBoard:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def log(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    """Steps come in any order, as checkpoints are found, so they are an axis of their own."""

    def __init__(self, run: Any) -> None:
        self._run = run
        run.define_metric("step")
        run.define_metric("evaluation/*", step_metric="step")

    def log(self, step: int, values: dict[str, float]) -> None:
        self._run.log({"step": step, **values})

    def close(self) -> None:
        self._run.finish()


def _tensorboard(out: Path) -> _TensorBoard | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return _TensorBoard(SummaryWriter(str(out / "tensorboard")))


def _wandb(run: Path, out: Path) -> _Wandb | None:
    """In the project that the run logs to, offline where the run is: nothing leaves the machine unless told to."""
    settings = settings_of(run)
    section = settings.get("logging")
    logging = section if isinstance(section, dict) else {}
    project = logging.get("wandb")
    if not project:
        return None
    try:
        import wandb
    except ImportError:
        return None
    name = f"{run.resolve().name} evaluation"
    known = settings.get("run_id")
    return _Wandb(
        wandb.init(
            project=project,
            name=name,
            dir=str(out),
            id=f"{known}-evaluation" if known else None,
            resume="allow",
            mode="offline" if logging.get("wandb_offline", True) else "online",
        )
    )
