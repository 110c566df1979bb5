"""Number formats: `configs/precision` as NeMo's precision plugin, which writes them into the model's configuration."""

from typing import Any

import nemo_run as run
import torch
from nemo import lightning as nl

from configs.schema import TrainConfig


def precision_recipe(config: TrainConfig) -> run.Config[nl.MegatronMixedPrecision]:
    """The number formats of weights, activations and gradients."""
    dtype = compute_dtype(config)
    return run.Config(
        nl.MegatronMixedPrecision,
        params_dtype=dtype,
        pipeline_dtype=dtype,
        autocast_enabled=False,
        **_fp8_fields(config),
    )


def compute_dtype(config: TrainConfig) -> torch.dtype:
    """The dtype that the layers compute in where FP8 is not."""
    return {"bf16-mixed": torch.bfloat16, "32": torch.float32}[config.precision.compute]


def _fp8_fields(config: TrainConfig) -> dict[str, Any]:
    values = config.precision
    if values.fp8 == "none":
        return {}
    return {
        "fp8_amax_compute_algo": "max" if values.fp8_amax_history > 1 else "most_recent",
        "first_last_layers_bf16": values.fp8_bf16_layers > 0,
        # Megatron-Core asks for it with MXFP8 weights: they are gathered through the gradients' buffer.
        "reuse_grad_buf_for_mxfp8_param_ag": values.fp8 == "mxfp8" and values.fp8_parameters,
    }
