"""The callback that evaluates the live weights every so many steps, within a time budget."""

import time
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from nemo.lightning.io import IOMixin

from foundation.heartbeat import HEARTBEAT
from foundation.terminal import warn
from training.guards.hang import HangWatch
from training.live.forward import layout_of, row_sums
from training.live.tasks import LiveTask, live_suite, live_tasks
from training.metrics.run_log import RunLog


class LiveEvaluation(Callback, IOMixin):  # type: ignore[misc]
    """Every `every` steps: the tasks of the file `suite` (recall without one), for `seconds` at most.

    A task that time does not allow is left out, and named: half of it would not compare with the whole of another
    step. All ranks take part, and agree on the time by the slowest clock.
    """

    def __init__(self, every: int, seconds: float = 60.0, suite: str | None = None) -> None:
        self.every = every
        self.seconds = seconds
        self.suite = suite
        self._tasks: list[LiveTask] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        where = self.suite or "trainer.evaluate_every"
        self._tasks = live_tasks(live_suite(self.suite), trainer.datamodule.seq_length, where=where)
        self._last = trainer.global_step

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step % self.every == 0 and trainer.global_step != self._last:
            self._last = trainer.global_step
            self._evaluate(trainer)

    def _evaluate(self, trainer: Any) -> None:
        HEARTBEAT.set_activity(f"evaluation after step {trainer.global_step}")
        log = next(one for one in trainer.callbacks if isinstance(one, RunLog))
        log.begin_evaluation()
        self._began = time.perf_counter()
        parallel = trainer.strategy.megatron_parallel
        training = parallel.training
        parallel.eval()
        values, left_out = self._measure(trainer, parallel)
        parallel.train(training)
        log.end_evaluation(trainer, values, left_out)
        if trainer.is_global_zero and values:
            shown = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
            warn(f"step {trainer.global_step}: {shown}")

    def _measure(self, trainer: Any, parallel: Any) -> tuple[dict[str, float], list[str]]:
        layout = layout_of(trainer.datamodule.micro_batch_size, trainer.datamodule.seq_length)
        watch = next((one for one in trainer.callbacks if isinstance(one, HangWatch)), None)

        def may_continue() -> bool:
            if watch is not None:
                watch.enter_phase("evaluation after step", trainer.global_step)
            return self._in_time()

        values, left_out = dict[str, float](), list[str]()
        for task in self._tasks:
            sums, read = row_sums(list(parallel), task, layout, may_continue=may_continue)
            if sums is None:
                left_out.append(task.name)
                if trainer.is_global_zero:
                    warn(
                        f"step {trainer.global_step}: {task.name!r} is left out: {read:,} of {len(task.rows):,} "
                        f"sequences {'was' if read == 1 else 'were'} read in trainer.evaluate_seconds={self.seconds:g}"
                    )
            else:
                values |= task.measure(sums)
        return values, left_out

    def _in_time(self) -> bool:
        """Whether there is time left, on every rank. Collective."""
        spent = torch.tensor(time.perf_counter() - self._began, dtype=torch.float64).cuda()
        torch.distributed.all_reduce(spent, op=torch.distributed.ReduceOp.MAX)
        return bool(spent < self.seconds)
