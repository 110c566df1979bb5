"""Early stopping: end a run whose validation metric no longer improves."""

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback
from nemo.lightning.io import IOMixin

from foundation.terminal import warn
from training.checkpointing.folder import update_link
from training.heads.log import head_log

BEST = "best"


class EarlyStop(Callback, IOMixin):  # type: ignore[misc]
    """Stops after `patience` validations in a row without a better value of `metric` (`evaluation.labelled.measures`).

    `RUN/checkpoints/best` is a link to the checkpoint of the best one.
    """

    def __init__(self, metric: str, patience: int) -> None:
        self.metric = metric
        self.patience = patience
        self._best: float | None = None
        self._step = self._waited = 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "step": self._step, "waited": self._waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best, self._step, self._waited = (state_dict[name] for name in ("best", "step", "waited"))

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        trainer.should_stop = trainer.should_stop or self._waited >= self.patience

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """After the measures are there, which every rank computes alike."""
        value = head_log(trainer).measures.get(self.metric)
        if value is None or trainer.sanity_checking:
            return
        better = value if self.metric != "loss" else -value
        if self._best is None or better > self._best:
            self._best, self._step, self._waited = better, trainer.global_step, 0
            if trainer.is_global_zero:
                folder = Path(trainer.checkpoint_callback.dirpath)
                update_link(folder / BEST, folder / f"step={trainer.global_step}")
            return
        self._waited += 1
        if self._waited >= self.patience:
            trainer.should_stop = True
            if trainer.is_global_zero:
                best = abs(self._best) if self.metric == "loss" else self._best
                link = Path(trainer.checkpoint_callback.dirpath) / BEST
                warn(f"stopping early: {self.metric} was best at step {self._step} ({best:.4f}); convert {link}")
