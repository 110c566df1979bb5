"""AdamW as Megatron-Core runs it: which weights decay, and the schedule."""

from typing import Any

import nemo_run as run
import torch
from megatron.core.optimizer import OptimizerConfig
from nemo import lightning as nl

from configs.schema import TrainConfig
from launch.planning.schedule import learning_rate
from recipes.layout import optimizer_state_fields
from recipes.weight_decay import without_weight_decay
from training.heads.model import is_head


def optimizer_recipe(config: TrainConfig) -> run.Config[nl.MegatronOptimizerModule]:
    """The optimizer module of a run."""
    return run.Config(
        nl.MegatronOptimizerModule,
        config=run.Config(
            OptimizerConfig,
            optimizer="adam",
            bf16=config.precision.compute == "bf16-mixed",
            **optimizer_state_fields(config),
        ),
        no_weight_decay_cond=without_weight_decay,
        **({"scale_lr_cond": is_head} if config.head.kind != "none" else {}),
        lr_scheduler=run.Config(LearningRateSchedule),
    )


class LearningRateSchedule(nl.LRSchedulerModule):  # type: ignore[misc]
    """`launch.planning.schedule.learning_rate` for NeMo, with a length of its own.

    NeMo's strategy writes the trainer's `max_steps` into every scheduler, so that cutting a run short, or resuming it
    for longer, would change the learning rates. This one reads `schedule_steps`.
    """

    def __init__(
        self, *, schedule: str, schedule_steps: int, warmup_steps: int, decay_steps: int, decay: str, min_lr: float
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.schedule_steps = schedule_steps
        self.warmup_steps = warmup_steps
        self.decay_steps = decay_steps
        self.decay = decay
        self.min_lr = min_lr

    def scheduler(self, model: Any, optimizer: Any) -> dict[str, Any]:
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": StepRates(optimizer, self), "interval": "step"}}


class StepRates(torch.optim.lr_scheduler.LRScheduler):
    """The learning rate of each step. Only the step is restored from a checkpoint; the values are the configuration's.

    torch's own scheduler would restore the checkpoint's values, so a run could not branch from the stable part of
    `wsd` into its decay.
    """

    def __init__(self, optimizer: Any, values: LearningRateSchedule) -> None:
        self._values: dict[str, Any] = {
            "schedule": values.schedule,
            "schedule_steps": values.schedule_steps,
            "warmup_steps": values.warmup_steps,
            "decay_steps": values.decay_steps,
            "decay": values.decay,
            "min_lr": values.min_lr,
        }
        super().__init__(optimizer)

    def get_lr(self) -> list[Any]:
        """Those of the schedule, times the multiple of a group that Megatron-Core made apart."""
        groups = zip(self.base_lrs, self.optimizer.param_groups, strict=True)
        return [
            learning_rate(self.last_epoch, lr=float(peak), **self._values) * float(group.get("lr_mult", 1.0))
            for peak, group in groups
        ]

    def state_dict(self) -> dict[str, Any]:
        """The step, and the values that it was made with: `conversion` passes them on."""
        state = {"last_epoch": self.last_epoch, "_step_count": self._step_count, "base_lrs": list(self.base_lrs)}
        return {**state, **self._values, "max_steps": self._values["schedule_steps"]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.last_epoch, self._step_count = state_dict["last_epoch"], state_dict["_step_count"]
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate
