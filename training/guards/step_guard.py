"""The guard of the weights: looks at loss and gradient before each update, and leaves out one that would spoil them."""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from megatron.core import parallel_state
from nemo.lightning.io import IOMixin
from nemo.utils.callbacks.dist_ckpt_io import AsyncFinalizableCheckpointIO

from training.guards.events import append_event, mark_replaced
from training.guards.loss_history import NOT_FINITE, LossHistory, parse_steps
from training.guards.offending_batch import BatchSnapshot, LabelledBatch, save_batch
from training.guards.updates import guard_updates
from training.status import STOPPED
from training.stops import record_stop

LEFT_OUT = "left out"


class StepGuard(Callback, IOMixin):  # type: ignore[misc]
    """Skips, reports or stops at a step whose loss or gradient is not finite, or whose loss is a spike.

    A skipped step leaves weights and optimizer state as they are; its samples are consumed and its learning rate
    passes, so that a resumed run goes the same way. Every rank judges by the same two numbers: the loss that NeMo sums
    over the data-parallel ranks, and the norm of all gradients that Megatron-Core computes for clipping. Both are read
    where Megatron-Core has just waited for the device, so the guard adds no wait; with pipeline parallelism it adds a
    broadcast of four bytes.

    What was found goes to `RUN/guards/events.jsonl` (`training.guards.events`), its batch to `RUN/guards/step=N`.
    """

    def __init__(
        self,
        run_dir: str,
        non_finite: str,
        spike: str,
        spike_deviations: float,
        spike_window: int,
        most_skipped: int,
        skip_steps: list[str],
    ) -> None:
        self.run_dir = run_dir
        self.non_finite = non_finite
        self.spike = spike
        self.spike_window = spike_window
        self.most_skipped = most_skipped
        self._left_out = parse_steps(skip_steps)
        self._told: set[range] = set()  # of them, those that a warning was given of
        self._history = LossHistory(window=spike_window, deviations=spike_deviations)
        self._skipped: list[int] = []
        self._batches: list[BatchSnapshot | LabelledBatch] = []
        self._loss = torch.zeros(())
        self._stop = ""
        self._guarded = False

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self._history.losses, "skipped": self._skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._history = LossHistory(
            window=self.spike_window,
            deviations=self._history.deviations,
            losses=[float(loss) for loss in state_dict["losses"]],
        )
        self._skipped = [int(step) for step in state_dict["skipped"]]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            mark_replaced(Path(self.run_dir) / "guards", done=trainer.global_step)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self._guarded:
            return
        self._guarded = True  # not before: adapters get their optimizer when the epoch begins
        guard_updates(
            trainer.optimizers[0].mcore_optimizer, lambda grad_norm: self._allows_update(trainer, pl_module, grad_norm)
        )

    def on_megatron_microbatches_start(self, step: Any) -> None:
        self._batches = []

    def on_megatron_microbatch_end(self, step: Any, batch: Any, output: torch.Tensor, forward_callback: Any) -> None:
        if not step.forward_only and parallel_state.is_pipeline_last_stage():
            self._batches.append(BatchSnapshot.of(batch, output))

    def on_megatron_step_end(self, step: Any, microbatch_outputs: Any, reduced: torch.Tensor) -> None:
        if step.forward_only:
            return
        self._loss = reduced.detach()
        if parallel_state.get_pipeline_model_parallel_world_size() > 1:
            self._loss = self._loss.float().clone()
            last = parallel_state.get_pipeline_model_parallel_last_rank()
            torch.distributed.broadcast(self._loss, last, parallel_state.get_pipeline_model_parallel_group())

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if not self._stop:
            return
        if isinstance(trainer.strategy.checkpoint_io, AsyncFinalizableCheckpointIO):
            trainer.strategy.checkpoint_io.maybe_finalize_save_checkpoint(blocking=True)
        if trainer.is_global_zero:
            print(f"\nerror: {self._stop}", file=sys.stderr)
            record_stop(Path(self.run_dir), f"a guard at step {trainer.global_step}", STOPPED)
        torch.distributed.barrier()  # the first rank to exit may end the others
        sys.exit(STOPPED)

    def _allows_update(self, trainer: Any, pl_module: Any, grad_norm: float) -> bool:
        """True where the update of the step that is under way may be made."""
        step, loss, limit = trainer.global_step + 1, float(self._loss), self._history.limit
        finding = self._history.judge(loss, grad_norm)
        if self._listed(step):
            finding, action = LEFT_OUT, "skip"
        elif finding:
            action = self.non_finite if finding == NOT_FINITE else self.spike
        else:
            return True
        if action == "skip":
            self._skipped = [old for old in self._skipped if old > step - self.spike_window] + [step]
        reason = self._reason_to_stop(finding, action, pl_module)
        event = {"step": step, "finding": finding, "action": "stop" if reason else action}
        event |= {"loss": loss, "grad_norm": grad_norm, "limit": limit, "time": time.time()}
        self._record(trainer, event, reason)
        return action == "report" and not reason

    def _reason_to_stop(self, finding: str, action: str, pl_module: Any) -> str:
        """Why the run cannot continue; "" if it can. All ranks come here together."""
        if finding == NOT_FINITE and not _weights_are_finite(pl_module):
            return "the weights are not finite: resume from an earlier checkpoint"
        unlisted = [step for step in self._skipped if not self._listed(step)]
        if action == "skip" and len(unlisted) > self.most_skipped:
            return f"{len(unlisted)} of the last {self.spike_window} steps were skipped, more than guards.most_skipped"
        return "it is configured to" if action == "stop" else ""

    def _listed(self, step: int) -> range | None:
        """The entry of `guards.skip_steps` that contains a step."""
        return next((steps for steps in self._left_out if step in steps), None)

    def _record(self, trainer: Any, event: dict[str, Any], reason: str) -> None:
        folder = Path(self.run_dir) / "guards" / f"step={event['step']}"
        if event["finding"] != LEFT_OUT and parallel_state.get_tensor_model_parallel_rank() == 0:
            save_batch(folder, self._batches, trainer.datamodule.sample_record, rank=trainer.global_rank)
        if not trainer.is_global_zero:
            self._stop = reason
            return
        append_event(folder.parent, event)
        what = f"step {event['step']}: {event['finding']}, loss {event['loss']}, gradient norm {event['grad_norm']}"
        if reason:
            self._stop = f"{what}: {reason}. Its batch: {folder}. What to do: docs/recovery.md"
        elif event["finding"] != LEFT_OUT:
            print(f"\nwarning: {what}; {event['action']}, as configured", file=sys.stderr)
        elif (steps := self._listed(event["step"])) and steps not in self._told:
            self._told.add(steps)
            others = f", and the steps to {steps[-1]} too" if steps[-1] > event["step"] else ""
            print(f"\nwarning: {what}{others}, as guards.skip_steps says", file=sys.stderr)


def _weights_are_finite(model: Any) -> bool:
    """Of all ranks. A collective call, and one that waits: only for a step that is bad already."""
    finite = torch.stack([parameter.detach().isfinite().all() for parameter in model.parameters()]).all().int().cuda()
    torch.distributed.all_reduce(finite, torch.distributed.ReduceOp.MIN)
    return bool(finite.item())
