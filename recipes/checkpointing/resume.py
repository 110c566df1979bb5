"""What a run goes on from: its newest whole checkpoint, found by its manifest and by nothing else; or given weights."""

from pathlib import Path
from typing import Any

from nemo import lightning as nl
from nemo.utils.get_rank import is_global_rank_zero

from conduct.errors import InputError
from conversion.locate import is_unfinished, newest_first, step_of
from conversion.manifest import NAME as MANIFEST
from recipes.checkpointing.folder import say
from recipes.checkpointing.initial_weights import FOLDER, our_copy
from recipes.checkpointing.lock import hold


class ResumeOrStart(nl.AutoResume):  # type: ignore[misc]
    """NeMo's resume; but NeMo takes the newest `…-last`, and starts from nothing where a kill left that link dangling.

    Every rank decides for itself, before they have met, so only names are looked at here. Contents are compared when
    the checkpoint is loaded (`recipes.checkpointing.strategy`). Where the run has no checkpoint it starts from the
    weights of `restore_config`, which may be of any format of `conversion.formats`.
    Errors: `InputError` where there are checkpoints and none of them has a manifest: nobody knows whether they are
    whole, and to start anew beside them would not be what was asked for; and for weights that are hostile, damaged or
    of another kind of model.
    """

    def setup(self, trainer: Any, model: Any = None) -> None:
        """As NeMo's, which is called before the ranks know of each other."""
        run_dir = Path(self.resume_from_directory).resolve().parent
        if is_global_rank_zero():
            hold(run_dir)
        if start := self.restore_config:
            if self.get_trainer_ckpt_path(model) is None:
                folder = run_dir.parent / FOLDER
                start.path = str(our_copy(Path(start.path), folder, optimizer=start.load_optim_state))
            elif is_global_rank_zero() and (own := self._find_trainer_ckpt_path()):
                say(f"init_from={start.path} is not used: the run goes on from step {step_of(own)}")
        super().setup(trainer, model)

    def _find_trainer_ckpt_path(self) -> Path | None:
        found = [path for path in newest_first(Path(self.resume_from_directory)) if not path.is_symlink()]
        if whole := [path for path in found if (path / MANIFEST).is_file()]:
            return whole[0]
        if unknown := [path for path in found if not is_unfinished(path)]:
            raise InputError(
                f"has no {MANIFEST}, so nobody knows whether it is whole",
                where=unknown[0],
                fix="Give it as init_from, with another run_dir, or take it away.",
            )
        return None
