"""The learning rate of each step, and which weights decay, as the recipes for NeMo have them."""

import dataclasses
from typing import Any

from megatron.bridge.training.callbacks import Callback
from megatron.bridge.training.config import OptimizerConfigOverrideProvider
from megatron.core.optimizer.optimizer_config import ParamKey, ParamWithNamePredicate

from launch.planning.schedule import learning_rate
from recipes.weight_decay import without_weight_decay


@dataclasses.dataclass
class WeightDecay(OptimizerConfigOverrideProvider):  # type: ignore[misc]
    """No weight decay for norms, biases and the input embedding."""

    def build_config_overrides(self, context: Any) -> dict[Any, Any]:
        predicate = ParamWithNamePredicate(
            name="genomic", fn=lambda parameter, name: without_weight_decay(name, parameter)
        )
        return {ParamKey(with_name_predicate=predicate): {"wd_mult": 0.0}}


class Schedule(Callback):  # type: ignore[misc]
    """`launch.planning.schedule.learning_rate` in place of Megatron-Core's, with the values of the configuration."""

    schedule: str
    schedule_steps: int
    warmup_steps: int
    decay_steps: int
    decay: str
    min_lr: float

    def on_train_start(self, context: Any) -> None:
        """By the steps of the run, because Megatron-Core does not count updates that the guard skipped."""
        peak, done = context.scheduler.max_lr, context.state.train_state
        context.scheduler.get_lr = lambda group: learning_rate(done.step, lr=group.get("max_lr", peak), **vars(self))

    def on_train_step_start(self, context: Any) -> None:
        context.scheduler.step(0)
