"""A run validates after its last step, wherever it started."""

from typing import Any

from lightning.pytorch.callbacks import Callback
from nemo.lightning.io import IOMixin


class LastValidation(Callback, IOMixin):  # type: ignore[misc]
    """Has Lightning validate after step `max_steps`, once, whether or not an interval ends there.

    Lightning by itself does so where the loader is read to its end. It cannot know that in a resumed run: it takes the
    steps of a checkpoint for batches fetched, and NeMo fetches micro-batches; and after a checkpoint of the last step
    of a shorter run it counts the remaining batches from zero.
    """

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True  # before this, Lightning validates
