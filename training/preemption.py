"""A run that is asked to leave saves a checkpoint first, and asks by its exit status to be resumed."""

import signal
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from nemo.lightning.io import IOMixin

from training.status import STOP_SIGNALS
from training.stops import request_restart


class Preemption(Callback, IOMixin):  # type: ignore[misc]
    """On SIGTERM or SIGUSR1 to any rank: finish the step, save a checkpoint, exit with status 75.

    With 70 where the last attempt of the job stopped at the same checkpoint (`training.stops`).

    In a validation it does not wait for the end of that, which may take longer than what is left of the job.

    NeMo's own callback exits with 0, as a finished run does, so that nothing requeues it. What comes before the
    first step is `training.stops.install_signal_handlers`'s.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._before: dict[signal.Signals, Any] = {}

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Before the data-loading processes are forked: they inherit the handler of SIGUSR1, and live on."""
        self._before = {one: signal.getsignal(one) for one in STOP_SIGNALS}
        self._install_handlers()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._install_handlers()  # Lightning installed its own in between, which end the run without a checkpoint
        if asked := self._signal_of_any_rank():
            self._stop(trainer, f"{signal.Signals(asked).name} before the first step")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._stop_if_requested(trainer)

    def on_validation_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            self._stop_if_requested(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._restore_handlers()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._restore_handlers()

    def _stop_if_requested(self, trainer: Any) -> None:
        if not (asked := self._signal_of_any_rank()):
            return
        trainer.checkpoint_callback.save_now(trainer)
        when = "in the validation after" if trainer.validating else "after"
        self._stop(trainer, f"{signal.Signals(asked).name} {when} step {trainer.global_step}")

    def _stop(self, trainer: Any, reason: str) -> None:
        """Before any rank exits, which may end the others, the first one says how the run stopped."""
        status = torch.tensor(0, device="cuda")
        if trainer.is_global_zero:
            status.fill_(request_restart(Path(trainer.checkpoint_callback.dirpath).parent, reason))
            saved = "" if reason.endswith("the first step") else "; its checkpoint is saved"
            print(f"\nstopped by {reason}{saved}", file=sys.stderr)
        torch.distributed.all_reduce(status, torch.distributed.ReduceOp.MAX)
        sys.exit(int(status.item()))

    def _signal_of_any_rank(self) -> int:
        """The signal that any rank received, or 0."""
        asked = torch.tensor(self._asked, device="cuda")  # on a CPU the stand-in makes it a CPU tensor
        torch.distributed.all_reduce(asked, torch.distributed.ReduceOp.MAX)
        return int(asked.item())

    def _note_signal(self, signum: int, frame: Any) -> None:
        self._asked = signum

    def _install_handlers(self) -> None:
        for one in STOP_SIGNALS:
            signal.signal(one, self._note_signal)

    def _restore_handlers(self) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)
        self._before = {}
