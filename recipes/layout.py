"""How a layout reaches NeMo and Megatron-Core: the strategy, its gradients, and which layers are computed again."""

from typing import Any

import nemo_run as run
from megatron.core.distributed import DistributedDataParallelConfig

from configs.schema import TrainConfig
from recipes.precision import compute_dtype
from training.cpu.strategy import CpuMegatronStrategy
from training.strategy import GenomicMegatronStrategy


def strategy_recipe(config: TrainConfig) -> Any:
    """Megatron's parallel layout, data parallelism and checkpoint format."""
    layout, on_cpu = config.parallelism, config.hardware.accelerator == "cpu"
    # MXFP8 weights are gathered through the buffer of the gradients, which NeMo zeroes before a gather that overlaps
    # (scripts/performance/helpers.py turns it off too).
    gather_early = layout.overlap and layout.distributed_optimizer and not _gathers_in_gradients(config)
    return run.Config(
        CpuMegatronStrategy if on_cpu else GenomicMegatronStrategy,
        pipeline_dtype=compute_dtype(config),
        ckpt_parallel_load=True,
        gradient_as_bucket_view=True,
        ddp=run.Config(
            DistributedDataParallelConfig,
            # training.guards looks at the norm of all gradients; this would wait for the device at each bucket.
            check_for_nan_in_grad=False,
            overlap_param_gather=gather_early,
        ),
    )


def recompute_fields(config: TrainConfig) -> dict[str, Any]:
    """Fields of the model configuration for `parallelism.recompute_layers`: the first layers of each stage, whole."""
    return {"recompute_granularity": "full", "recompute_method": "block"} if config.parallelism.recompute_layers else {}


def optimizer_state_fields(config: TrainConfig) -> dict[str, Any]:
    """Fields of Megatron-Core's `OptimizerConfig` that follow from how the optimizer's state is stored."""
    precision = config.precision
    fields: dict[str, Any] = {}
    if config.parallelism.precision_aware_optimizer:
        # Exact: the 16 bits of an fp32 master weight that its bf16 weight lacks. FP8 weights lack more.
        fields["store_param_remainders"] = precision.compute == "bf16-mixed" and precision.fp8 == "none"
    if precision.fp8 != "none":
        # Megatron-Core decides by it, when the config is made, who keeps the master weights.
        fields |= {"fp8_recipe": precision.fp8, "reuse_grad_buf_for_mxfp8_param_ag": _gathers_in_gradients(config)}
    return fields


def _gathers_in_gradients(config: TrainConfig) -> bool:
    return config.precision.fp8 == "mxfp8" and config.precision.fp8_parameters
