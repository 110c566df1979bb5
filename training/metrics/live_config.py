"""The values of a running trainer, whichever front door it came through: what `config.yaml` of a run says."""

from typing import Any

from nemo.lightning.pytorch.callbacks.peft import PEFT

from configs.llama import LlamaArchitecture, from_megatron_fields, hf_config
from training.z_loss import ZLoss


def live_architecture(pl_module: Any) -> LlamaArchitecture:
    """The architecture of the model that is trained."""
    dtype = "bfloat16" if pl_module.config.bf16 else "float32"
    return from_megatron_fields(vars(pl_module.config), dtype=dtype, where="the model of this run")


def live_config(trainer: Any, pl_module: Any) -> dict[str, Any]:
    """The values of a running trainer under the names of `configs.schema`, and the architecture."""
    model, data, strategy = pl_module.config, trainer.datamodule, trainer.strategy
    optimizer, schedule = pl_module.optim.config, pl_module.optim.lr_scheduler
    architecture = live_architecture(pl_module)
    return {
        "model": {**hf_config(architecture), "parameters": architecture.parameters},
        "dataset": {
            "corpus": data.corpus,
            "mode": data.mode,
            "stride": data.stride,
            "sequence_length": data.seq_length,
            "micro_batch_size": data.micro_batch_size,
            "global_batch_size": data.global_batch_size,
            "soft_mask_weight": data.soft_mask_weight,
            "markup_weight": data.markup_weight,
            "reverse_complement": data.reverse_complement,
            "seed": data.seed,
        },
        "optimizer": {
            "lr": optimizer.lr,
            "min_lr": schedule.min_lr,
            "warmup_steps": schedule.warmup_steps,
            "schedule_steps": schedule.schedule_steps,
            "schedule": schedule.schedule,
            "decay_steps": schedule.decay_steps,
            "decay": schedule.decay,
            "beta1": optimizer.adam_beta1,
            "beta2": optimizer.adam_beta2,
            "eps": optimizer.adam_eps,
            "weight_decay": optimizer.weight_decay,
            "clip_grad": optimizer.clip_grad,
            "z_loss": next((one.weight for one in trainer.callbacks if isinstance(one, ZLoss)), 0.0),
            "embedding_init_std": model.embedding_init_method_std,
        },
        "lora": lora_values(trainer),
        "precision": {
            "compute": "bf16-mixed" if model.bf16 else "32",
            "fp8": model.fp8_recipe if model.fp8 else "none",
            "grad_reduce_in_fp32": strategy.ddp_config.grad_reduce_in_fp32,
        },
        "parallelism": {
            "tensor": strategy.tensor_model_parallel_size,
            "pipeline": strategy.pipeline_model_parallel_size,
            "context": strategy.context_parallel_size,
            "sequence_parallel": strategy.sequence_parallel,
            "distributed_optimizer": optimizer.use_distributed_optimizer,
            "precision_aware_optimizer": optimizer.use_precision_aware_optimizer,
            "recompute_layers": model.recompute_num_layers or 0,
        },
        "hardware": {
            "accelerator": strategy.root_device.type,
            "devices": trainer.num_devices,
            "num_nodes": trainer.num_nodes,
        },
        "trainer": {"max_steps": trainer.max_steps, "validate_every": trainer.val_check_interval},
    }


def lora_values(trainer: Any) -> dict[str, float]:
    """Rank, alpha and dropout of the adapters that are trained; rank 0 where all weights are."""
    for callback in trainer.callbacks:
        if isinstance(callback, PEFT):
            return {name: getattr(callback, name) for name in ("dim", "alpha", "dropout")}
    return {"dim": 0}
