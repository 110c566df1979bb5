"""`metrics.jsonl` and `config.yaml` of a run of Megatron-Bridge: the lines that `training.metrics.run_log` writes."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from megatron.bridge.training.callbacks import Callback
from torch.utils.tensorboard import SummaryWriter

from foundation.json_lines import append_line
from foundation.metrics_log import NAME as METRICS
from foundation.progress import clock
from foundation.terminal import warn
from training.bridge.step import ForwardStep
from training.metrics.clock import PhaseClock, drop_torn_line, goodput_so_far
from training.metrics.loss_sums import LossSums
from training.metrics.rates import Work
from training.metrics.recorded_config import continued_id, new_id, recorded_config, write_config
from training.metrics.step_line import scalars, step_line


class BridgeLog(Callback):  # type: ignore[misc]
    """Writes the log on the first rank, and says where the run is.

    `config`: every setting, and the model. `tokens`: of one step. `sources`: names of the corpora.
    """

    def __init__(
        self,
        run_dir: Path,
        step: ForwardStep,
        config: Mapping[str, Any],
        *,
        work: Work,
        tokens: int,
        sources: Sequence[str],
    ) -> None:
        self.run_dir, self.run_id = run_dir, ""
        self._step, self._config, self._work = step, config, work
        self._tokens, self._sources, self._steps = tokens, list(sources), 0
        self._clock = PhaseClock("start")
        self._board: SummaryWriter | None = None

    def on_train_start(self, context: Any) -> None:
        done, log, began = context.state.train_state.step, self.run_dir / METRICS, psutil.Process().create_time()
        self._first_step, self._began = done, time.perf_counter()
        if _is_first():
            drop_torn_line(log)
            self._goodput = goodput_so_far(log, done=done, began=began)
            self._started = {"start_seconds": max(0.0, time.time() - began)}
            self.run_id = continued_id(self.run_dir) if done else new_id()
            write_config(self.run_dir, recorded_config(self._config, self.run_id))
            if self._config["logging"]["tensorboard"]:
                self._board = SummaryWriter(str(self.run_dir / "tensorboard"))
        self._clock = PhaseClock("training")

    def on_train_step_start(self, context: Any) -> None:
        self._clock.enter("training")
        self._rate = context.optimizer.param_groups[0]["lr"]

    def on_train_step_end(self, context: Any) -> None:
        """Before Bridge counts the step. Collective at a logged one."""
        step, settings = context.state.train_state.step + 1, context.state.cfg
        self._steps += 1
        if step % settings.logger.log_interval and step != settings.train.train_iters:
            return
        _, mean = self._step.sums.means()
        self._step.sums = LossSums()
        if _is_first():
            seconds, tokens = self._clock.take("training"), self._steps * self._tokens
            self._goodput.productive += seconds
            left = (settings.train.train_iters - step) * (time.perf_counter() - self._began) / (step - self._first_step)
            line = step_line(
                step=step,
                loss=self._step.loss,
                mean=mean,
                learning_rate=self._rate,
                grad_norm=None if context.grad_norm is None else float(context.grad_norm),
                tokens=tokens,
                seconds=seconds,
                work=self._work,
                eta_seconds=left,
                goodput=self._goodput.share(),
            )
            self._append(**line, **self._started)
            self._show(step, {f"train/{key}": value for key, value in line.items()})
            self._started = {}
            warn(f"step {step}/{settings.train.train_iters}  loss {line['loss']:.4f} nats/token  {clock(left)} left")
        self._steps = 0

    def on_train_end(self, context: Any) -> None:
        """Bridge validates once more; NeMo does so where the last step was not validated."""
        state = context.state
        every, done = state.cfg.validation.eval_interval, state.train_state.step
        state.train_state.do_valid &= done > self._first_step and done % every != 0

    def on_eval_start(self, context: Any) -> None:
        self._clock.enter("validation")
        self._kept, self._step.sums, self._step.validating = self._step.sums, LossSums(len(self._sources)), True

    def on_eval_end(self, context: Any) -> None:
        """Collective."""
        of_each, mean = self._step.sums.means()
        self._step.sums, self._step.validating = self._kept, False
        seconds = self._clock.take("validation")
        self._clock.enter("training")
        if not _is_first():
            return
        line: dict[str, Any] = {"validation_loss": mean.loss, "validation_bits_per_base": mean.bits_per_base}
        if len(of_each) > 1:
            named = dict(zip(self._sources, of_each, strict=True))
            line["validation_loss_by_source"] = {name: one.loss for name, one in named.items()}
            line["validation_bits_per_base_by_source"] = {name: one.bits_per_base for name, one in named.items()}
        step = context.state.train_state.step
        self._append(step=step, time=time.time(), **line, validation_seconds=seconds)
        self._show(step, {key.replace("_", "/", 1): value for key, value in line.items()})
        warn(f"step {step}: validation loss {mean.loss:.4f} nats/token")

    def _show(self, step: int, values: Mapping[str, Any]) -> None:
        """In TensorBoard, under the names that NeMo's runs have there."""
        if self._board:
            for name, value in scalars(values).items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def _append(self, **line: object) -> None:
        append_line(self.run_dir / METRICS, line)


def _is_first() -> bool:
    return bool(torch.distributed.get_rank() == 0)
