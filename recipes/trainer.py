"""The trainer of a run: Megatron's strategy laid out over the devices, precision, callbacks."""

from typing import Any

import nemo_run as run
import torch
from megatron.core.distributed import DistributedDataParallelConfig
from nemo import lightning as nl
from nemo.lightning.pytorch.callbacks.garbage_collection import GarbageCollectionCallback

from configs.schema import TrainConfig
from recipes.cpu.strategy import CpuMegatronStrategy
from recipes.progress import TrainingProgress
from recipes.run_log import RunLog
from recipes.seed import Seed


def trainer_recipe(config: TrainConfig) -> run.Config[nl.Trainer]:
    """The NeMo trainer of a run."""
    values = config.trainer
    callbacks = [
        run.Config(Seed, seed=config.seed),
        run.Config(RunLog, run_dir=config.run_dir),
        run.Config(TrainingProgress),
    ]
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
        enable_progress_bar=False,
        enable_model_summary=False,
        strategy=strategy_recipe(config),
        plugins=precision_recipe(config),
        callbacks=callbacks,
    )


def strategy_recipe(config: TrainConfig) -> Any:
    """Megatron's parallel layout, data parallelism and checkpoint format."""
    layout = config.parallelism
    return run.Config(
        CpuMegatronStrategy if config.hardware.accelerator == "cpu" else nl.MegatronStrategy,
        tensor_model_parallel_size=layout.tensor,
        pipeline_model_parallel_size=layout.pipeline,
        context_parallel_size=layout.context,
        sequence_parallel=layout.sequence_parallel,
        pipeline_dtype=compute_dtype(config),
        ckpt_async_save=config.trainer.async_checkpoints,
        ckpt_parallel_load=True,
        gradient_as_bucket_view=True,
        ddp=run.Config(
            DistributedDataParallelConfig,
            check_for_nan_in_grad=True,
            grad_reduce_in_fp32=config.precision.grad_reduce_in_fp32,
            overlap_grad_reduce=layout.overlap,
            overlap_param_gather=layout.overlap and layout.distributed_optimizer,
            use_distributed_optimizer=layout.distributed_optimizer,
        ),
    )


def precision_recipe(config: TrainConfig) -> run.Config[nl.MegatronMixedPrecision]:
    """The number formats of weights, activations and gradients."""
    dtype = compute_dtype(config)
    return run.Config(
        nl.MegatronMixedPrecision,
        precision=config.precision.compute,
        params_dtype=dtype,
        pipeline_dtype=dtype,
        autocast_enabled=False,
        grad_reduce_in_fp32=config.precision.grad_reduce_in_fp32,
    )


def compute_dtype(config: TrainConfig) -> torch.dtype:
    """The dtype that the layers compute in."""
    return {"bf16-mixed": torch.bfloat16, "32": torch.float32}[config.precision.compute]
