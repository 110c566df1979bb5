"""AdamW as Megatron-Core runs it, with weight decay on matrices alone and a schedule of its own length."""

from typing import Any

import nemo_run as run
import torch
from megatron.core.optimizer import OptimizerConfig
from nemo import lightning as nl

from configs.schema import TrainConfig
from recipes.layout import optimizer_state_fields


def optimizer_recipe(config: TrainConfig) -> run.Config[nl.MegatronOptimizerModule]:
    """The optimizer module of a run."""
    values = config.optimizer
    return run.Config(
        nl.MegatronOptimizerModule,
        config=run.Config(
            OptimizerConfig,
            optimizer="adam",
            lr=values.lr,
            weight_decay=values.weight_decay,
            adam_beta1=values.beta1,
            adam_beta2=values.beta2,
            adam_eps=values.eps,
            clip_grad=values.clip_grad,
            bf16=config.precision.compute == "bf16-mixed",
            **optimizer_state_fields(config),
        ),
        no_weight_decay_cond=without_weight_decay,
        lr_scheduler=run.Config(
            WarmupCosine, schedule_steps=values.schedule_steps, warmup_steps=values.warmup_steps, min_lr=values.min_lr
        ),
    )


def without_weight_decay(name: str, parameter: torch.nn.Parameter) -> bool:
    """True for norms, biases and the input embedding. `name` is Megatron-Core's."""
    return name.endswith(".bias") or parameter.dim() == 1 or "word_embeddings" in name


class WarmupCosine(nl.lr_scheduler.CosineAnnealingScheduler):  # type: ignore[misc]
    """Linear warm-up, then cosine decay to `min_lr` at `schedule_steps`; constant after that.

    NeMo's strategy writes the trainer's `max_steps` into every scheduler, so that cutting a run short, or resuming it
    for longer, would change the learning rates. This schedule keeps its length.
    """

    def __init__(self, schedule_steps: int, warmup_steps: int, min_lr: float) -> None:
        super().__init__(max_steps=schedule_steps, warmup_steps=warmup_steps, constant_steps=0, min_lr=min_lr)
        self.schedule_steps = schedule_steps

    def scheduler(self, model: Any, optimizer: Any) -> Any:
        self.max_steps = self.schedule_steps
        return super().scheduler(model, optimizer)
