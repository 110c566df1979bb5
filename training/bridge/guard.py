"""The step guard of a run of Megatron-Bridge: looks at loss and gradient before each update."""

import time
from pathlib import Path
from typing import Any

import torch
from megatron.bridge.training.callbacks import Callback

from foundation.terminal import warn
from training.bridge.step import ForwardStep
from training.guards.events import append_event, mark_replaced
from training.guards.loss_history import NOT_FINITE, LossHistory
from training.guards.updates import guard_updates
from training.status import STOPPED
from training.stops import record_stop


class BridgeGuard(Callback):  # type: ignore[misc]
    """Leaves out an update, reports or stops, as `training.guards.step_guard` does for NeMo.

    Not carried over: batches of bad steps on disk, and the history of losses over a resume.
    """

    non_finite: str
    spike: str
    spike_deviations: float
    spike_window: int
    most_skipped: int

    def __init__(self, run_dir: Path, step: ForwardStep) -> None:
        self._folder, self._step = run_dir / "guards", step
        self._skipped: list[int] = []
        self.stopped = ""

    def on_train_start(self, context: Any) -> None:
        self._history = LossHistory(window=self.spike_window, deviations=self.spike_deviations)
        if torch.distributed.get_rank() == 0:
            mark_replaced(self._folder, done=context.state.train_state.step)
        guard_updates(context.optimizer, lambda norm: self._allows_update(context.state.train_state.step + 1, norm))

    def on_train_step_end(self, context: Any) -> None:
        if not self.stopped:
            return
        if torch.distributed.get_rank() == 0:
            warn(f"error: {self.stopped}")
            record_stop(self._folder.parent, f"a guard at step {context.state.train_state.step + 1}", STOPPED)
        torch.distributed.barrier()  # the first rank to exit may end the others
        raise SystemExit(STOPPED)

    def _allows_update(self, step: int, grad_norm: float) -> bool:
        loss = self._step.take_loss()
        limit, finding = self._history.limit, self._history.judge(loss, grad_norm)
        if not finding:
            return True
        action = self.non_finite if finding == NOT_FINITE else self.spike
        if action == "skip":
            self._skipped = [old for old in self._skipped if old > step - self.spike_window] + [step]
        if len(self._skipped) > self.most_skipped:
            action = "stop"
        what = f"step {step}: {finding}, loss {loss}, gradient norm {grad_norm}; {action}, as configured"
        self.stopped = what if action == "stop" else ""
        if torch.distributed.get_rank() == 0:
            event = {"step": step, "finding": finding, "action": action, "loss": loss, "grad_norm": grad_norm}
            append_event(self._folder, {**event, "limit": limit, "time": time.time()})
            if not self.stopped:
                warn(f"warning: {what}")
        return action == "report"
