"""Checkpoints named by the number of steps that were done when they were written."""

from typing import Any

import torch
from nemo import lightning as nl


class StepCheckpoints(nl.ModelCheckpoint):  # type: ignore[misc]
    """NeMo's checkpoint callback with `step` in names and comparisons as the count of finished optimizer steps.

    NeMo's strategy logs a `step` that is one behind, and Lightning would take that.
    """

    def _monitor_candidates(self, trainer: Any) -> dict[str, torch.Tensor]:
        return {**super()._monitor_candidates(trainer), "step": torch.tensor(trainer.global_step)}
