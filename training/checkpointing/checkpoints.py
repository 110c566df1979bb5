"""Checkpoints that are complete or absent: `step=N`, named by the number of finished optimizer steps.

NeMo marks a checkpoint as unfinished, writes it, and removes the mark without checking that the data is on disk. Here
the mark is durable first, then the data, then `manifest.json` (`conversion.manifest`), without which a run does not
resume from a checkpoint. Then the link `step=N-last` moves to it, and last an old checkpoint is removed.
"""

import shutil
import threading
from pathlib import Path
from typing import Any

import torch
from nemo import lightning as nl
from nemo.lightning.ckpt_utils import ckpt_to_dir
from nemo.utils.callbacks.dist_ckpt_io import AsyncFinalizableCheckpointIO

from conversion.locate import LAST, is_run_checkpoint, newest_first, step_of
from conversion.manifest import NAME as MANIFEST
from foundation.disk import sync
from training.checkpointing.folder import clean, hide, update_link
from training.checkpointing.same_layout import check_same_layout, live_layout
from training.checkpointing.same_run import check_same_run, newest_whole, trained_with
from training.checkpointing.seal import seal
from training.metrics.live_config import live_architecture, live_lora
from training.metrics.run_log import run_id


class StepCheckpoints(nl.ModelCheckpoint):  # type: ignore[misc]
    """NeMo's checkpoint callback with `step` in names and comparisons as the count of finished optimizer steps.

    NeMo's strategy logs a `step` that is one behind, and Lightning would take that. Checkpoints are made every
    `every_n_train_steps`, at the end, and by `save_now`; not at validations, as NeMo makes them too.
    """

    _trains = False

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Before the model is built. Errors: `InputError` for a run that cannot resume from what is there."""
        check_same_run(Path(self.dirpath), _trained_with(trainer, pl_module), trainer.datamodule.sources)
        check_same_layout(Path(self.dirpath), live_layout(trainer.strategy))
        trainer.strategy.barrier()  # all have looked
        if trainer.is_global_zero:
            clean(Path(self.dirpath))
        super().setup(trainer, pl_module, stage)  # has a barrier

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._trains = True
        super().on_train_start(trainer, pl_module)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """If no step was left to train, a kill after the last save may have left an old checkpoint and link."""
        newest = newest_whole(Path(self.dirpath)) if trainer.is_global_zero and not self._trains else None
        if newest is None:
            return
        if self.save_top_k != -1:
            self.nemo_topk_check_previous_run()
        link = newest.with_name(f"{newest.name}-{LAST}")
        for other in newest.parent.glob(f"*-{LAST}"):
            if other.is_symlink() and other != link:
                other.unlink()
        update_link(link, newest)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """No checkpoint."""

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.save_now(trainer)

    def save_now(self, trainer: Any) -> None:
        """Save a checkpoint of the step that just ended; returns when it is on disk."""
        if self._last_global_step_saved != trainer.global_step:
            candidates = self._monitor_candidates(trainer)
            self._save_topk_checkpoint(trainer, candidates)
            self._save_last_checkpoint(trainer, candidates)
        if isinstance(trainer.strategy.checkpoint_io, AsyncFinalizableCheckpointIO):
            trainer.strategy.checkpoint_io.maybe_finalize_save_checkpoint(blocking=True)

    def nemo_topk_check_previous_run(self) -> None:
        """Take over the run's checkpoints. NeMo's own reads a `step` in the path of the run as theirs.

        A manual copy beside them, such as `step=3-best`, is not counted and never removed.
        """
        whole = [path for path in newest_first(Path(self.dirpath)) if (path / MANIFEST).is_file()]
        steps = {
            f"{path}.ckpt": torch.tensor(step_of(path))
            for path in whole
            if is_run_checkpoint(path) and not path.is_symlink()
        }
        self.best_k_models = dict(list(steps.items())[: self.save_top_k])
        for path in list(steps)[self.save_top_k :]:
            self._discard(ckpt_to_dir(path))
        paths = list(self.best_k_models)
        self.best_model_path, self.kth_best_model_path = (paths[0], paths[-1]) if paths else ("", "")
        self.best_model_score = self.best_k_models.get(self.best_model_path)
        self.kth_value = self.best_k_models.get(self.kth_best_model_path)
        self.last_model_path = next((f"{path}.ckpt" for path in whole if path.is_symlink()), "")

    def _monitor_candidates(self, trainer: Any) -> dict[str, torch.Tensor]:
        return {**super()._monitor_candidates(trainer), "step": torch.tensor(trainer.global_step)}

    @staticmethod
    def set_checkpoint_unfinished_marker(checkpoint_path: str | Path, barrier_after: bool = False) -> None:
        """NeMo's, and durable: no data of a checkpoint reaches the disk before its mark does."""
        nl.ModelCheckpoint.set_checkpoint_unfinished_marker(checkpoint_path)
        if torch.distributed.get_rank() == 0:
            sync(nl.ModelCheckpoint.format_checkpoint_unfinished_marker_path(checkpoint_path).parent)
        if barrier_after:
            torch.distributed.barrier()

    def _get_finalize_save_checkpoint_callback(self, trainer: Any, filepath: str, global_step: int) -> Any:
        finish = super()._get_finalize_save_checkpoint_callback(trainer, filepath, global_step)

        def seal_and_finish() -> None:
            trained_with = _trained_with(trainer, trainer.lightning_module)
            seal(ckpt_to_dir(filepath), global_step, trained_with, run=run_id(trainer))
            finish()

        return seal_and_finish

    def _link_checkpoint(self, trainer: Any, filepath: str, linkpath: str, override_async: bool = False) -> None:
        if self.async_save and not override_async:
            super()._link_checkpoint(trainer, filepath, linkpath)  # notes it for the end of the save
        elif trainer.is_global_zero:
            update_link(ckpt_to_dir(linkpath), ckpt_to_dir(filepath))

    def _remove_checkpoint(self, trainer: Any, filepath: str, override_async: bool = False) -> None:
        if self.async_save and not override_async:
            super()._remove_checkpoint(trainer, filepath)  # likewise
        elif trainer.is_global_zero:
            self._discard(ckpt_to_dir(filepath))

    def _discard(self, path: Path) -> None:
        """Remove a checkpoint, or a link to one; a large one in the background."""
        if path.is_symlink():
            path.unlink()
        elif path.is_dir() and torch.distributed.get_rank() == 0:
            threading.Thread(target=shutil.rmtree, args=(hide(path),)).start()


def _trained_with(trainer: Any, pl_module: Any) -> dict[str, Any]:
    lora = live_lora(trainer)
    return trained_with(
        trainer.datamodule.order_settings(),
        live_architecture(pl_module),
        lora_dim=lora.dim,
        lora_alpha=lora.alpha,
        lora_ranks=lora.ranks,
    )
