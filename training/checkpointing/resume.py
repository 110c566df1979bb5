"""What a run resumes from: its newest whole checkpoint, found by its manifest and by nothing else; or given weights."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from nemo import lightning as nl

from configs.llama import read_architecture
from conversion.locate import step_of
from foundation.terminal import warn
from training.checkpointing.first_rank import broadcast_failure
from training.checkpointing.initial_weights import FOLDER, converted_path, ensure_converted
from training.checkpointing.lock import hold
from training.checkpointing.same_model import check_same_model
from training.checkpointing.same_run import lost_step, newest_whole
from training.metrics.live_config import live_architecture


@dataclass(kw_only=True)
class ResumeOrStart(nl.AutoResume):  # type: ignore[misc]
    """NeMo's resume; but NeMo takes the newest `…-last`, and starts from nothing where a kill left that link dangling.

    Every rank decides for itself, after the first has, so only names are looked at here. Contents are compared when
    the checkpoint is loaded (`training.strategy`). Where the run has no checkpoint it starts from the
    weights of `restore_config`, which may be of any format of `conversion.formats`.
    Errors, the same on every rank: `InputError` where another process trains in the run's directory, where there are
    checkpoints and none of them has a manifest, and for weights that are hostile, damaged or of another kind of model.
    """

    extends: Optional[str] = None  # noqa: UP045 (NeMo-Run's parser does not know `str | None`)
    """Directory with the `config.json` of the model whose context this run extends."""

    def setup(self, trainer: Any, model: Any = None) -> None:
        """As NeMo's, which is called before the ranks know of each other."""
        run_dir = Path(self.resume_from_directory).resolve().parent
        # Lightning's, which cannot see that the data module continues at the very next sample.
        warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch")
        with broadcast_failure(trainer):
            if trainer.is_global_zero:
                hold(run_dir)
            self._prepare_start(run_dir, trainer, model)
        super().setup(trainer, model)

    def _prepare_start(self, run_dir: Path, trainer: Any, model: Any) -> None:
        if trainer.is_global_zero and (lost := lost_step(run_dir)):
            warn(f"{run_dir}/checkpoints is empty, and the run log ends at step {lost}: the run starts from step 0")
        if start := self.restore_config:
            if self.get_trainer_ckpt_path(model) is None:
                if trainer.is_global_zero:
                    base = read_architecture(self.extends) if self.extends else None
                    check_same_model(Path(start.path), live_architecture(model), base=base)
                ours = ensure_converted if trainer.is_global_zero else converted_path
                start.path = str(ours(Path(start.path), run_dir.parent / FOLDER, optimizer=start.load_optim_state))
            elif trainer.is_global_zero and (own := self._find_trainer_ckpt_path()):
                warn(f"init_from={start.path} is not used: the run resumes from step {step_of(own)}")

    def _find_trainer_ckpt_path(self) -> Path | None:
        return newest_whole(Path(self.resume_from_directory))
