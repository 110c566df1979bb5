"""What a run leaves for reports: `metrics.jsonl`, one line per logged step, and `config.yaml`, the values that ran."""

import math
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from megatron.core import parallel_state
from nemo.lightning.io import IOMixin

from foundation.json_lines import append_line
from foundation.metrics_log import NAME as METRICS
from training.metrics.clock import Goodput, PhaseClock, drop_torn_line, goodput_so_far
from training.metrics.flops import flops_per_token
from training.metrics.live_config import live_architecture, live_config, live_lora
from training.metrics.loss_sums import LossSums, MeanLoss
from training.metrics.rates import Work
from training.metrics.recorded_config import continued_id, new_id, recorded_config, write_config
from training.metrics.step_line import scalars, step_line
from training.metrics.tracking import RunMLFlowLogger, RunWandbLogger


class RunLog(Callback, IOMixin):  # type: ignore[misc]
    """Writes the run log on global rank 0, appending when a run is resumed, and tells the trainer's loggers.

    docs/training.md defines what is in a line. Over the device it asks for nothing but at a logged step and after a
    validation: one sum over the ranks. `config`: the settings that the recipe was made of. `peak_tflops`: of one
    device, None if MFU is unknown.
    """

    def __init__(self, run_dir: str, config: dict[str, Any], peak_tflops: float | None = None) -> None:
        self.run_dir = run_dir
        self.config = config
        self.peak_tflops = peak_tflops
        self.run_id = ""  # on the first rank, from the start of training on
        self.latest: dict[str, Any] = {}  # the newest training line, and what the newest validation line has beside it
        self._steps = 0
        self._learning_rate = 0.0
        self._training = LossSums()
        self._validation: LossSums | None = None  # while there is one
        self._validated: tuple[list[MeanLoss], MeanLoss] | None = None  # of each source and of all, when it has ended
        self._clock = PhaseClock("start")
        self._start_seconds: float | None = None
        self._goodput = Goodput(began=0.0, productive=0.0)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._work = Work(
            devices=trainer.world_size,
            flops_per_token=flops_per_token(
                live_architecture(pl_module), trainer.datamodule.seq_length, lora_dim=live_lora(trainer).ranks
            ),
            peak_tflops=self.peak_tflops,
        )
        self._first_step, self._steps, self._training = trainer.global_step, 0, LossSums()
        if trainer.is_global_zero:
            log, began = Path(self.run_dir) / METRICS, psutil.Process().create_time()
            drop_torn_line(log)
            self._goodput = goodput_so_far(log, done=trainer.global_step, began=began)
            self._start_seconds = max(0.0, time.time() - began)
            self._record_config(trainer, pl_module)
        self._began, self._clock = time.perf_counter(), PhaseClock("training")

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._resume_training(trainer)
        group = trainer.optimizers[0].param_groups[0]
        self._learning_rate = group["lr"] / group.get("lr_mult", 1.0)  # that of the body, where a head has another

    def on_megatron_microbatch_end(self, step: Any, batch: Any, output: torch.Tensor, forward_callback: Any) -> None:
        if parallel_state.is_pipeline_last_stage():
            if self._validation is not None:
                self._validation.add(output, batch["labels"], batch["loss_mask"], batch["source"])
            else:
                self._training.add(output, batch["labels"], batch["loss_mask"], torch.zeros_like(batch["source"]))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._steps += 1
        if trainer.global_step % trainer.log_every_n_steps == 0 or trainer.global_step == trainer.max_steps:
            self._end_interval(trainer)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._resume_training(trainer)
        self._clock.enter("validation")
        self._validation = LossSums(len(trainer.datamodule.source_names))

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """The exact means, also under NeMo's name, for callbacks that monitor it (`training.strategy`). Collective."""
        assert self._validation is not None
        self._validated, self._validation = self._validation.means(), None
        loss = self._validated[1].loss
        pl_module.log("val_loss", math.nan if loss is None else loss, batch_size=1)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        assert self._validated is not None
        of_each, mean = self._validated
        seconds = self._clock.take("validation")
        self._clock.enter("training")
        if not trainer.is_global_zero:
            return
        line = self._validation_line(trainer, of_each, mean)
        self.latest |= line
        if trainer.state.fn != TrainerFn.FITTING:
            return  # `trainer.validate`, which is none of the run's
        self._append(step=trainer.global_step, time=time.time(), **line, validation_seconds=seconds)
        self._tell_loggers(trainer, {key.replace("_", "/", 1): value for key, value in line.items()})

    def _validation_line(self, trainer: Any, of_each: list[MeanLoss], mean: MeanLoss) -> dict[str, Any]:
        """What a line of a validation has beside its step and time."""
        line: dict[str, Any] = {"validation_loss": mean.loss, "validation_bits_per_base": mean.bits_per_base}
        if len(of_each) > 1:
            named = dict(zip(trainer.datamodule.source_names, of_each, strict=True))
            line["validation_loss_by_source"] = {name: one.loss for name, one in named.items()}
            line["validation_bits_per_base_by_source"] = {name: one.bits_per_base for name, one in named.items()}
        return line

    def begin_evaluation(self) -> None:
        """Stop counting training time until `end_evaluation`."""
        self._clock.enter("evaluation")

    def end_evaluation(self, trainer: Any, values: dict[str, float], left_out: list[str]) -> None:
        """Log the metrics of the live weights by name, and the tasks that did not fit into the time."""
        seconds = self._clock.take("evaluation")
        self._clock.enter("training")
        if trainer.is_global_zero:
            line = {"evaluation": values, "evaluation_seconds": seconds, "evaluation_left_out": left_out}
            self._append(step=trainer.global_step, time=time.time(), **line)
            self._tell_loggers(trainer, {"evaluation": values})

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
        self._clock.enter("checkpoint")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._resume_training(trainer)
        if self._steps:
            self._end_interval(trainer)

    def _record_config(self, trainer: Any, pl_module: Any) -> None:
        """Write `config.yaml`, and tell the loggers."""
        self.run_id = continued_id(Path(self.run_dir)) if trainer.global_step else new_id()
        config = recorded_config(live_config(trainer, pl_module, self.config), self.run_id)
        write_config(Path(self.run_dir), config)
        for logger in trainer.loggers:
            if isinstance(logger, (RunWandbLogger, RunMLFlowLogger)):
                logger.log_config(config)

    def _end_interval(self, trainer: Any) -> None:
        """Log the steps since the last time. Collective."""
        _, mean = self._training.means()
        if trainer.is_global_zero:
            self._log_steps(trainer, mean)
        self._steps, self._training = 0, LossSums()

    def _log_steps(self, trainer: Any, mean: MeanLoss) -> None:
        seconds, data, step = self._clock.take("training"), trainer.datamodule, trainer.global_step
        tokens = self._tokens(data)
        self._goodput.productive += seconds
        left = (trainer.max_steps - step) * (time.perf_counter() - self._began) / (step - self._first_step)
        self.latest = step_line(
            step=step,
            loss=_scalar(trainer.callback_metrics.get("reduced_train_loss")),
            mean=mean,
            learning_rate=self._learning_rate,
            grad_norm=_scalar(trainer.callback_metrics.get("grad_norm")),
            tokens=tokens,
            seconds=seconds,
            work=self._work,
            eta_seconds=left,
            goodput=self._goodput.share(),
        ) | self._own_fields(data, seconds)
        started = {} if self._start_seconds is None else {"start_seconds": self._start_seconds}
        self._start_seconds = None
        self._append(**self.latest, **started)
        self._tell_loggers(trainer, {f"train/{key}": value for key, value in self.latest.items()})

    def _own_fields(self, data: Any, seconds: float) -> dict[str, Any]:
        """Values of a line that only this kind of run has."""
        return {}

    def _tokens(self, data: Any) -> int:
        """Read since the last line, on all ranks."""
        return int(self._steps * data.global_batch_size * data.seq_length)

    def _resume_training(self, trainer: Any) -> None:
        """After a checkpoint, if there was one: its hook only marks the beginning."""
        self._clock.enter("training")
        if (seconds := self._clock.take("checkpoint")) and trainer.is_global_zero:
            self._append(step=trainer.global_step, time=time.time(), checkpoint_seconds=seconds)

    def _tell_loggers(self, trainer: Any, values: dict[str, Any]) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(scalars(values), step=trainer.global_step)

    def _append(self, **line: object) -> None:
        append_line(Path(self.run_dir) / METRICS, line)


def run_id(trainer: Any) -> str:
    """The id of the run, on the first rank; "" on the others, and in a trainer without a `RunLog`."""
    return next((one.run_id for one in trainer.callbacks if isinstance(one, RunLog)), "")


def _scalar(value: Any) -> float | None:
    return None if value is None else float(value)
