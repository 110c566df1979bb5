"""Checkpoints named by the number of steps that were done when they were written."""

from typing import Any

import torch
from nemo import lightning as nl
from nemo.utils.callbacks.dist_ckpt_io import AsyncFinalizableCheckpointIO


class StepCheckpoints(nl.ModelCheckpoint):  # type: ignore[misc]
    """NeMo's checkpoint callback with `step` in names and comparisons as the count of finished optimizer steps.

    NeMo's strategy logs a `step` that is one behind, and Lightning would take that.
    """

    def _monitor_candidates(self, trainer: Any) -> dict[str, torch.Tensor]:
        return {**super()._monitor_candidates(trainer), "step": torch.tensor(trainer.global_step)}

    def save_now(self, trainer: Any) -> None:
        """Save a checkpoint of the step that just ended; returns when it is on disk."""
        if self._last_global_step_saved != trainer.global_step:
            candidates = self._monitor_candidates(trainer)
            self._save_topk_checkpoint(trainer, candidates)
            self._save_last_checkpoint(trainer, candidates)
        if isinstance(trainer.strategy.checkpoint_io, AsyncFinalizableCheckpointIO):
            trainer.strategy.checkpoint_io.maybe_finalize_save_checkpoint(blocking=True)
