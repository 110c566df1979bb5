"""Learning rates as a pure function of the step. The rules of a schedule, and its description."""

import math
from collections.abc import Iterator

from configs.schema import OptimizerConfig
from launch.planning.rule import Rule

SCHEDULES = ("cosine", "wsd")
DECAYS = ("minus_sqrt", "linear")


def learning_rate(
    step: int,
    *,
    schedule: str,
    lr: float,
    min_lr: float,
    warmup_steps: int,
    schedule_steps: int,
    decay_steps: int,
    decay: str,
) -> float:
    """The learning rate of optimizer step `step`, counted from 0.

    Warm-up is linear: lr (step + 1) / (warmup_steps + 1) up to `warmup_steps`, so that no step is lost to a rate of 0.
    Then `cosine` falls from lr to min_lr at `schedule_steps` (Loshchilov and Hutter 2017); `wsd` stays at lr and falls
    in the last `decay_steps` before that, by 1 - sqrt(x) or linearly (Hu et al. 2024; Hägele et al. 2024). min_lr after
    it. Source: nemo/core/optim/lr_scheduler.py, CosineAnnealing; Megatron-Core, optimizer_param_scheduler.py, WSD.
    """
    if warmup_steps > 0 and step <= warmup_steps:
        return lr * ((step + 1) / (warmup_steps + 1))
    if step > schedule_steps:
        return min_lr
    if schedule == "cosine":
        done = step - warmup_steps
        return (lr - min_lr) * (0.5 * (1 + math.cos(math.pi * done / (schedule_steps - warmup_steps)))) + min_lr
    decayed = max(0, step - (schedule_steps - decay_steps)) / decay_steps
    return min_lr + (lr - min_lr) * (1 - (math.sqrt(decayed) if decay == "minus_sqrt" else decayed))


def schedule_text(values: OptimizerConfig) -> str:
    """A schedule in a line."""
    start = f"{values.schedule}: {values.warmup_steps:,} steps of warm-up to {values.lr:g}, "
    if values.schedule == "wsd":
        start += f"constant, from step {values.schedule_steps - values.decay_steps:,} "
    return start + f"down to {values.min_lr:g} at step {values.schedule_steps:,}"


def schedule_warning(values: OptimizerConfig, steps: int) -> str:
    """A warning if `steps` do not fit the schedule, with what to give instead; "" where there is nothing."""
    if steps <= values.schedule_steps:
        return ""
    return (
        f"the schedule ends at step {values.schedule_steps:,} of {steps:,}: the {steps - values.schedule_steps:,} "
        f"steps after it run at optimizer.min_lr={values.min_lr:g}. If that is not meant, give "
        f"optimizer.schedule_steps={steps}"
    )


def schedule_rules(values: OptimizerConfig) -> Iterator[Rule]:
    """What a schedule must satisfy: whether it does, the problem, the fix."""
    wsd = values.schedule == "wsd"
    yield (
        values.schedule in SCHEDULES,
        f"optimizer.schedule={values.schedule}",
        f"Use one of {', '.join(SCHEDULES)}.",
    )
    yield values.decay in DECAYS, f"optimizer.decay={values.decay}", f"Use one of {', '.join(DECAYS)}."
    yield (
        0 <= values.min_lr <= values.lr and values.lr > 0,
        f"optimizer.lr={values.lr} with optimizer.min_lr={values.min_lr}",
        "Give an lr above 0, and a min_lr from 0 to that.",
    )
    yield (
        0 <= values.warmup_steps < values.schedule_steps,
        f"optimizer.warmup_steps={values.warmup_steps} of optimizer.schedule_steps={values.schedule_steps}",
        "The schedule holds the warm-up and the decay: make it longer, or the warm-up shorter.",
    )
    yield (
        not wsd or 1 <= values.decay_steps <= values.schedule_steps - values.warmup_steps,
        f"optimizer.schedule=wsd with optimizer.decay_steps={values.decay_steps}",
        f"Give a number from 1 to schedule_steps - warmup_steps = {values.schedule_steps - values.warmup_steps}.",
    )
    yield (
        wsd or values.decay_steps == 0,
        f"optimizer.decay_steps={values.decay_steps} with optimizer.schedule={values.schedule}",
        "The cosine decays all the way; decay_steps goes with optimizer.schedule=wsd.",
    )
    yield (
        values.clip_grad >= 0 and values.weight_decay >= 0 and values.z_loss >= 0,
        f"optimizer.clip_grad={values.clip_grad}, weight_decay={values.weight_decay}, z_loss={values.z_loss}",
        "None of them can be below 0; 0 turns one off.",
    )
    yield (
        math.isfinite(values.z_loss) and math.isfinite(values.clip_grad) and math.isfinite(values.lr),
        f"optimizer.lr={values.lr}, clip_grad={values.clip_grad}, z_loss={values.z_loss}",
        "Give finite numbers.",
    )
    yield (
        0 <= values.beta1 < 1 and 0 <= values.beta2 < 1 and values.eps > 0,
        f"optimizer.beta1={values.beta1}, beta2={values.beta2}, eps={values.eps}",
        "Give betas from 0 to below 1, and an eps above 0.",
    )
    yield (
        values.embedding_init_std > 0,
        f"optimizer.embedding_init_std={values.embedding_init_std}",
        "Give a number above 0: 1.0, or the initializer_range of config.json.",
    )
