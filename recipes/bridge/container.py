"""Megatron-Bridge's configuration of a run, from ours.

The functions make its sections, with what follows from several settings together; the settings themselves go to their
places by the one table of them (`configs.schema`, the column `bridge`).
"""

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from configs.llama import LlamaArchitecture, megatron_fields
from configs.locate import find_directory
from configs.rope import SCALING_FIELDS
from configs.schema import TrainConfig
from training.cpu.fused import UNFUSED
from training.metrics.tracker_settings import allow_files, newest_id, tracking_uri
from training.places import write_settings

# Bridge has other names for them, and these values as defaults.
_NEMO_ONLY = ("add_qkv_bias", "layernorm_zero_centered_gamma", *SCALING_FIELDS.values())


def container(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int, parts: Any) -> Any:
    """A `ConfigContainer`. `parts`: `dataset`, `schedule` and `guard`, which are ours, and get their settings too."""
    from megatron.bridge.training import config as bridge
    from megatron.bridge.training.tokenizers.config import TokenizerConfig

    from training.bridge.lora import PatternLoRA

    on_cpu, folder = config.hardware.accelerator == "cpu", f"{config.run_dir}/checkpoints"
    in_bf16 = config.precision.compute == "bf16-mixed"
    tokenizer = find_directory(config.dataset.tokenizer_path, holding="tokenizer.json")
    sections = {
        "model": model(config, architecture, sequence_length),
        "train": bridge.TrainingConfig(exit_signal_handler=True),
        "validation": bridge.ValidationConfig(),
        "optimizer": bridge.OptimizerConfig(optimizer="adam", bf16=in_bf16),
        "optimizer_config_override_provider": parts.weight_decay,
        "scheduler": bridge.SchedulerConfig(lr_decay_style="cosine", override_opt_param_scheduler=True),
        "ddp": bridge.DistributedDataParallelConfig(check_for_nan_in_grad=False, average_in_collective=False),
        "dataset": parts.dataset,
        "logger": bridge.LoggerConfig(**_loggers(config)),
        "tokenizer": TokenizerConfig(tokenizer_type="HuggingFaceTokenizer", tokenizer_model=str(tokenizer)),
        "checkpoint": bridge.CheckpointConfig(save=folder, ckpt_format="torch_dist", async_strategy="mcore"),
        "dist": bridge.DistributedInitConfig(
            distributed_backend="gloo" if on_cpu else "nccl", disable_jit_fuser=on_cpu
        ),
        # Graphs hold random states that Transformer Engine's tracker can put back.
        "rng": bridge.RNGConfig(te_rng_tracker=config.parallelism.cuda_graphs != "none"),
        "peft": PatternLoRA() if config.lora.dim else None,
        "rerun_state_machine": bridge.RerunStateMachineConfig(check_for_nan_in_loss=False),
    }
    write_settings(SimpleNamespace(**sections, schedule=parts.schedule, guard=parts.guard), config, engine="bridge")
    sections["dataset"].seq_length = sections["model"].seq_length = sequence_length
    layout = config.parallelism
    sections["ddp"].overlap_param_gather = layout.overlap and layout.distributed_optimizer
    sections["dataset"].pin_memory = not on_cpu
    sections["dataset"].persistent_workers = config.dataset.num_workers > 0
    return bridge.ConfigContainer(**sections)


def _loggers(config: TrainConfig) -> dict[str, Any]:
    """Bridge's loggers, which write under its own names; TensorBoard is `training.bridge.log`'s."""
    values, name = config.logging, Path(config.run_dir).name
    fields: dict[str, Any] = {"tensorboard_dir": None, "log_timers_to_tensorboard": False}
    if values.wandb is not None:
        os.environ.setdefault("WANDB_MODE", "offline" if values.wandb_offline else "online")
        if newest := newest_id(config.run_dir):
            os.environ |= {"WANDB_RUN_ID": newest, "WANDB_RESUME": "allow"}
        fields |= {"wandb_project": values.wandb, "wandb_exp_name": name, "wandb_save_dir": config.run_dir}
    if values.mlflow is not None:
        allow_files()
        fields |= {"mlflow_experiment": values.mlflow, "mlflow_run_name": name, "mlflow_log_artifacts": False}
        fields |= {"mlflow_tracking_uri": tracking_uri(config)}
    return fields


def model(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> Any:
    """Bridge's provider of the model: `architecture` for samples of `sequence_length` tokens."""
    from megatron.bridge.models.gpt_provider import GPTModelProvider, default_layer_spec

    on_cpu, scaling = config.hardware.accelerator == "cpu", architecture.rope_scaling
    dtype = torch.bfloat16 if config.precision.compute == "bf16-mixed" else torch.float32
    fields = megatron_fields(dataclasses.replace(architecture, max_position_embeddings=sequence_length))
    recompute = config.parallelism.recompute_layers > 0
    return GPTModelProvider(
        **{name: value for name, value in fields.items() if name not in _NEMO_ONLY},
        rope_scaling=scaling is not None,
        rope_scaling_factor=scaling.factor if scaling else 1.0,
        should_pad_vocab=True,
        activation_func=torch.nn.functional.silu,
        transformer_layer_spec=_cpu_layer_spec if on_cpu else default_layer_spec,
        params_dtype=dtype,
        pipeline_dtype=dtype,
        bf16=dtype == torch.bfloat16,
        # As in recipes.model: the gradient of the weighted mean over the global batch.
        calculate_per_token_loss=True,
        cross_entropy_loss_fusion=False,
        **({"recompute_granularity": "full", "recompute_method": "block"} if recompute else {}),
        **(UNFUSED if on_cpu else {"apply_rope_fusion": True}),
    )


def _cpu_layer_spec(config: Any) -> Any:
    """Megatron-Core's own layers with attention that needs no mask, and stays within its document."""
    from megatron.bridge.models.gpt_provider import local_layer_spec

    from training.cpu.attention import CausalAttention

    spec = local_layer_spec(config)
    spec.submodules.self_attention.submodules.core_attention = CausalAttention
    return spec
