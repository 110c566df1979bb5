"""The trainer of a run: Megatron's strategy laid out over the devices, precision, callbacks."""

import nemo_run as run
from nemo import lightning as nl
from nemo.lightning.pytorch.callbacks.garbage_collection import GarbageCollectionCallback

from configs.compose import plain
from configs.schema import TrainConfig
from launch.planning.throughput import peak_tflops
from recipes.layout import strategy_recipe
from recipes.precision import precision_recipe
from training.guards.hang import HangWatch
from training.guards.step_guard import StepGuard
from training.metrics.progress import TrainingProgress
from training.metrics.run_log import RunLog
from training.preemption import Preemption
from training.recomputation import RecomputedAdapters
from training.seed import Seed
from training.z_loss import ZLoss


def trainer_recipe(config: TrainConfig) -> run.Config[nl.Trainer]:
    """The NeMo trainer of a run."""
    values = config.trainer
    callbacks = [
        run.Config(Seed, seed=config.seed),
        run.Config(RunLog, run_dir=config.run_dir, peak_tflops=peak_tflops(config), config=plain(config)),
        run.Config(TrainingProgress),
        *guard_recipes(config),
        run.Config(Preemption),
    ]
    if config.optimizer.z_loss:
        callbacks.append(run.Config(ZLoss, weight=config.optimizer.z_loss))
    if config.lora.dim and config.parallelism.recompute_layers:
        callbacks.append(run.Config(RecomputedAdapters))
    if config.hardware.accelerator == "gpu":
        # All ranks collect together, instead of each stalling the others at a time of its own.
        callbacks.append(run.Config(GarbageCollectionCallback, gc_interval_train=100, gc_interval_val=100))
    return run.Config(
        nl.Trainer,
        accelerator=config.hardware.accelerator,
        devices=config.hardware.devices,
        num_nodes=config.hardware.num_nodes,
        max_steps=values.max_steps,
        val_check_interval=values.validate_every,
        check_val_every_n_epoch=None,  # an interval may be longer than the run
        limit_val_batches=values.validation_batches,
        limit_test_batches=values.validation_batches,
        num_sanity_val_steps=0,
        log_every_n_steps=values.log_every,
        use_distributed_sampler=False,
        logger=False,  # NeMo puts those of the recipe in
        enable_progress_bar=False,
        enable_model_summary=False,
        strategy=strategy_recipe(config),
        plugins=precision_recipe(config),
        callbacks=callbacks,
    )


def record_config(recipe: run.Partial, config: TrainConfig) -> None:
    """Have `config.yaml` of the run of `recipe` say `config`: the values after NeMo's overrides."""
    for callback in recipe.trainer.callbacks:
        if callback.__fn_or_cls__ is RunLog:
            callback.config = plain(config)


def guard_recipes(config: TrainConfig) -> list[run.Config]:
    """The callbacks of the section `guards`."""
    guards = config.guards
    guard = run.Config(
        StepGuard,
        run_dir=config.run_dir,
        non_finite=guards.non_finite,
        spike=guards.spike,
        spike_deviations=guards.spike_deviations,
        spike_window=guards.spike_window,
        most_skipped=guards.most_skipped,
        skip_steps=list(guards.skip_steps),
    )
    if not guards.hang_seconds:
        return [guard]
    limits = {"hang_seconds": guards.hang_seconds, "hang_factor": guards.hang_factor}
    return [guard, run.Config(HangWatch, run_dir=config.run_dir, **limits)]
