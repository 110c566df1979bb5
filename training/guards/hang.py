"""Hang detection: a rank without progress for too long reports where it is, and exits."""

import faulthandler
import multiprocessing
import os
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from nemo.lightning.io import IOMixin

from training.guards.hang_report import Report, report_here, summary, wait_for_reports, write_report
from training.guards.limit import STEPS, silence_limit
from training.status import HUNG, PREEMPTED
from training.stops import record_stop, request_restart


class HangWatch(Callback, IOMixin):  # type: ignore[misc]
    """Watches this rank from a thread of its own; on a hang all ranks run into their limits together.

    Each writes `RUN/guards/hang-from-step=N/rank=R.json` and the stacks of its threads, `rank=R.stacks`; the first of
    them compares the reports and names the ranks that others wait for. The exit status is `PREEMPTED`, so that a
    launcher restarts the run from its newest checkpoint; `HUNG` where it hung before from that same checkpoint.

    Silence is counted in ticks of the thread and not by a clock, so a run that was suspended and continued is not hung.
    """

    def __init__(self, run_dir: str, hang_seconds: float, hang_factor: float) -> None:
        self.run_dir = run_dir
        self.hang_seconds = hang_seconds
        self.hang_factor = hang_factor
        self._ended: threading.Event | None = None  # made when it starts: NeMo copies callbacks
        self._steps: deque[float] = deque(maxlen=STEPS)
        self._step = self._micro_batches = 0
        self._doing = ""
        self._silent = self._step_began = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._rank, self._ranks = trainer.global_rank, trainer.world_size
        self._main = threading.get_ident()
        self._folder = Path(self.run_dir) / "guards" / f"hang-from-step={trainer.global_step}"
        self._hung_before = self._folder.is_dir()
        for old in self._folder.glob(f"rank={self._rank}.*"):
            old.unlink()
        torch.distributed.barrier()  # no rank makes the folder before all have looked for it
        self.enter_phase("start", trainer.global_step)
        self._ended = threading.Event()
        threading.Thread(target=self._watch, args=(self._ended,), name="hang watch", daemon=True).start()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._step_began, self._micro_batches = time.monotonic(), 0
        self.enter_phase("step", trainer.global_step + 1)

    def on_megatron_microbatch_end(self, step: Any, batch: Any, output: Any, forward_callback: Any) -> None:
        self._micro_batches += 1
        self._silent = 0.0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._steps.append(time.monotonic() - self._step_began)
        self.enter_phase("after step", trainer.global_step)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self.enter_phase("validation after step", trainer.global_step)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self.enter_phase("after step", trainer.global_step)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._stop_watching()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._stop_watching()

    def _stop_watching(self) -> None:
        if self._ended is not None:
            self._ended.set()

    def enter_phase(self, doing: str, step: int) -> None:
        """Note a sign of life of this rank, and what it is doing from now on."""
        self._doing, self._step, self._silent = doing, step, 0.0

    def _watch(self, ended: threading.Event) -> None:
        tick = min(1.0, self.hang_seconds / 10)
        while not ended.wait(tick):
            self._silent += tick
            limit = silence_limit(
                in_step=self._doing == "step", steps=self._steps, seconds=self.hang_seconds, factor=self.hang_factor
            )
            if self._silent >= limit:
                self._abort(limit)

    def _abort(self, limit: float) -> None:
        """Report and exit, from this thread, because the training thread is stuck."""
        status = HUNG if self._hung_before else PREEMPTED
        try:
            report = report_here(
                rank=self._rank,
                doing=f"{self._doing} {self._step}",
                micro_batches=self._micro_batches,
                thread=self._main,
            )
            status = self._write(report, limit, status)
        finally:
            for child in multiprocessing.active_children():
                child.kill()
            os._exit(status)

    def _write(self, report: Report, limit: float, status: int) -> int:
        """Write this rank's report; the first rank that reports tells how the run stopped. Returns the exit status."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / f"rank={self._rank}.stacks", "w", encoding="utf-8") as file:
            faulthandler.dump_traceback(file, all_threads=True)
        write_report(self._folder, report)
        reports = wait_for_reports(self._folder, self._ranks, limit)
        if report.rank != min(reports):
            time.sleep(1)  # the first to exit may end the others, and shall be the one that tells
            return status
        text = summary(reports, self._ranks, self._folder, limit=limit, again=self._hung_before)
        (self._folder / "summary.txt").write_text(text, encoding="utf-8")
        print(f"\n{text}", end="", file=sys.stderr, flush=True)
        run_dir, reason = Path(self.run_dir), f"a hang in {report.doing}"
        if self._hung_before:
            record_stop(run_dir, f"{reason}, as before from this checkpoint", HUNG)
            return HUNG
        return request_restart(run_dir, reason)
