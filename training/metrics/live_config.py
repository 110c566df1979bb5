"""The values of a running trainer, however it was started, for the run's `config.yaml`."""

from dataclasses import asdict, fields
from typing import Any

from nemo.lightning.pytorch.callbacks.peft import PEFT

from configs.llama import LlamaArchitecture, from_megatron_fields, hf_config
from configs.schema import LoraConfig, TrainConfig
from foundation.typed import from_settings
from training.places import live_settings


def live_architecture(pl_module: Any) -> LlamaArchitecture:
    """The architecture of the model that is trained."""
    dtype = "bfloat16" if pl_module.config.bf16 else "float32"
    return from_megatron_fields(vars(pl_module.config), dtype=dtype, where="the model of this run")


def live_config(trainer: Any, pl_module: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Every setting of the run under its name in `configs.schema`, and the architecture that is trained.

    `config`: the settings that the recipe was made of. Those that NeMo's own overrides can change are read from the
    objects that run.
    """
    architecture = live_architecture(pl_module)
    settings = live_settings(trainer, pl_module, from_settings(TrainConfig, config))
    return {"model": {**hf_config(architecture), "parameters": architecture.parameters}, **asdict(settings)}


def live_lora(trainer: Any) -> LoraConfig:
    """The adapters that are trained; of rank 0 where all weights are."""
    for callback in trainer.callbacks:
        if isinstance(callback, PEFT):
            names = [field.name for field in fields(LoraConfig) if hasattr(callback, field.name)]
            return LoraConfig(**{name: getattr(callback, name) for name in names})
    return LoraConfig(dim=0)
