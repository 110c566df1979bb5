"""Training progress: step, loss, tokens/s and time left; a bar on a terminal, elsewhere a line every 30 s or sooner."""

import sys
import time
from typing import Any

from lightning.pytorch.callbacks import Callback
from nemo.lightning.io import IOMixin

from foundation.heartbeat import HEARTBEAT
from foundation.progress import clock
from training.metrics.run_log import RunLog


class TrainingProgress(Callback, IOMixin):  # type: ignore[misc]
    """Shows progress on standard error of global rank 0. Rates are over this process's steps so far."""

    def __init__(self, seconds_between_lines: float = 10.0) -> None:
        self.seconds_between_lines = seconds_between_lines
        self._seen = 0

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if trainer.is_global_zero:
            HEARTBEAT.begin("building the model and looking for checkpoints")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._began = self._shown = time.perf_counter()
        self._first_step = trainer.global_step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        HEARTBEAT.set_activity(f"step {trainer.global_step + 1}/{trainer.max_steps}")

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        HEARTBEAT.set_activity(f"validation after step {trainer.global_step}")

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
        HEARTBEAT.set_activity(f"saving the checkpoint of step {trainer.global_step}")

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        HEARTBEAT.end()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._seen += 1
        step, last = trainer.global_step, trainer.max_steps
        now, terminal = time.perf_counter(), sys.stderr.isatty()
        due = now - self._shown > (0.2 if terminal else self.seconds_between_lines)
        if not trainer.is_global_zero or not (due or step == last or step == self._first_step + 1):
            return
        self._shown = now
        elapsed, done = now - self._began, step - self._first_step
        unit, each = trainer.datamodule.work_unit
        rate = done * trainer.datamodule.global_batch_size * each / elapsed
        loss = float(trainer.callback_metrics["reduced_train_loss"])
        line = (
            f"step {step}/{last}  loss {loss:.4f}{_nats(unit)}  {_logged(trainer)}{rate:,.0f} {unit}/s  "
            f"{clock((last - step) * elapsed / done)} left"
        )
        end = "\n" if not terminal or step == last else ""
        print(f"\r{_bar(step / last)} {line}\033[K" if terminal else line, end=end, file=sys.stderr, flush=True)
        HEARTBEAT.line_printed()

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero and trainer.global_step >= trainer.max_steps and self._seen == 0:
            print(
                f"nothing to do: step {trainer.global_step} of {trainer.max_steps} is done; "
                "raise trainer.max_steps to continue, or choose another run_dir",
                file=sys.stderr,
            )

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        if trainer.is_global_zero and isinstance(exception, KeyboardInterrupt):
            print(
                f"\ninterrupted at step {trainer.global_step}; give the same command again to resume",
                file=sys.stderr,
            )

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero and (loss := _run_log(trainer).get("validation_loss")) is not None:
            clear = "\r\033[K" if sys.stderr.isatty() else ""
            nats = _nats(trainer.datamodule.work_unit[0])
            print(
                f"{clear}step {trainer.global_step}: validation loss {loss:.4f}{nats}{_validated(trainer)}",
                file=sys.stderr,
            )
            HEARTBEAT.line_printed()


def _logged(trainer: Any) -> str:
    """What the newest line of the run log has that is not known at every step."""
    row = _run_log(trainer)
    bits, mfu = row.get("bits_per_base"), row.get("mfu")
    return ("" if bits is None else f"{bits:.4f} bits/base  ") + ("" if mfu is None else f"{mfu:.1%} MFU  ")


def _nats(unit: str) -> str:
    return " nats/token" if unit == "tokens" else ""


def _validated(trainer: Any) -> str:
    row = _run_log(trainer)
    if measures := row.get("validation"):
        return "".join(f", {name} {value:.4f}" for name, value in measures.items())
    bits = row.get("validation_bits_per_base")
    each = row.get("validation_bits_per_base_by_source", {})
    sources = ", ".join(f"{name} {value:.4f}" for name, value in each.items() if value is not None)
    return ("" if bits is None else f", {bits:.4f} bits/base") + (f" ({sources})" if sources else "")


def _run_log(trainer: Any) -> dict[str, Any]:
    return next((one.latest for one in trainer.callbacks if isinstance(one, RunLog)), {})


def _bar(fraction: float, width: int = 24) -> str:
    filled = round(fraction * width)
    return "█" * filled + "░" * (width - filled)
