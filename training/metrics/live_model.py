"""The model that is trained, whichever front door it came through: its architecture and its adapters."""

from typing import Any

from nemo.lightning.pytorch.callbacks.peft import PEFT

from configs.llama import LlamaArchitecture, from_megatron_fields


def live_architecture(pl_module: Any) -> LlamaArchitecture:
    """The architecture of the model that is trained."""
    dtype = "bfloat16" if pl_module.config.bf16 else "float32"
    return from_megatron_fields(vars(pl_module.config), dtype=dtype, where="the model of this run")


def lora_values(trainer: Any) -> dict[str, float]:
    """Rank, alpha and dropout of the adapters that are trained; rank 0 where all weights are."""
    for callback in trainer.callbacks:
        if isinstance(callback, PEFT):
            return {name: getattr(callback, name) for name in ("dim", "alpha", "dropout")}
    return {"dim": 0}
