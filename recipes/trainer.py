"""The trainer of a run: Megatron's strategy laid out over the devices, precision, callbacks."""

from dataclasses import asdict

import nemo_run as run
from nemo import lightning as nl
from nemo.lightning.pytorch.callbacks.garbage_collection import GarbageCollectionCallback

from configs.schema import TrainConfig
from launch.planning.throughput import peak_tflops
from recipes.layout import strategy_recipe
from recipes.precision import precision_recipe
from training.early_stop import EarlyStop
from training.guards.hang import HangWatch
from training.guards.step_guard import StepGuard
from training.heads.log import HeadLog
from training.last_validation import LastValidation
from training.live.evaluation import LiveEvaluation
from training.metrics.progress import TrainingProgress
from training.metrics.run_log import RunLog
from training.preemption import Preemption
from training.recomputation import RecomputedAdapters
from training.seed import Seed
from training.z_loss import ZLoss


def trainer_recipe(config: TrainConfig) -> run.Config[nl.Trainer]:
    """The NeMo trainer of a run."""
    with_head = config.head.kind != "none"
    callbacks = [
        run.Config(Seed),
        run.Config(HeadLog if with_head else RunLog, peak_tflops=peak_tflops(config), config=asdict(config)),
        run.Config(TrainingProgress),
        *guard_recipes(config),
        run.Config(Preemption),
        run.Config(LastValidation),
    ]
    if config.trainer.evaluate_every:
        callbacks.append(run.Config(LiveEvaluation))
    if with_head and config.head.stop_metric != "none":
        callbacks.append(run.Config(EarlyStop))
    if config.optimizer.z_loss:
        callbacks.append(run.Config(ZLoss))
    if config.lora.dim and config.parallelism.recompute_layers:
        callbacks.append(run.Config(RecomputedAdapters))
    if config.hardware.accelerator == "gpu":
        # All ranks collect together, instead of each stalling the others at a time of its own.
        callbacks.append(run.Config(GarbageCollectionCallback, gc_interval_train=100, gc_interval_val=100))
    return run.Config(
        nl.Trainer,
        check_val_every_n_epoch=None,  # an interval may be longer than the run
        limit_test_batches=config.trainer.validation_batches,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,  # NeMo puts those of the recipe in
        enable_progress_bar=False,
        enable_model_summary=False,
        strategy=strategy_recipe(config),
        plugins=precision_recipe(config),
        callbacks=callbacks,
    )


def guard_recipes(config: TrainConfig) -> list[run.Config]:
    """The callbacks of the section `guards`."""
    watch = [run.Config(HangWatch, run_dir=config.run_dir)] if config.guards.hang_seconds else []
    return [run.Config(StepGuard), *watch]
