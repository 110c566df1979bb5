"""The recipe of a run as plain values, which the parts of the benchmark build from without NeMo.

They are what NeMo's trainer would hand to Megatron-Core: `recipes.recipe.pretrain_recipe`, built, with the precision
plugin's overrides. `python -m benchmarks.gpu --write-settings FILE` makes them where NeMo is; a GPU machine that has
only torch, Megatron-Core and Transformer Engine reads that file with `--settings`.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from configs.compose import compose_config
from configs.llama import LlamaArchitecture, read_architecture
from configs.schema import TrainConfig
from foundation.errors import InputError
from launch.planning.memory import memory_per_gpu
from launch.planning.rules import check_run
from launch.planning.search import fits

Settings = dict[str, Any]
"""`recipe` (configuration and overrides), `transformer`, `model`, `ddp`, `optimizer`: fields by upstream's names."""

RECIPE = "train_8b_opengenome2"
DRY = ("train_tiny", ("dataset.sequence_length=64", "dataset.micro_batch_size=1", "dataset.global_batch_size=1"))
"""What a dry run times: the tiny model on a CPU."""

MODEL_FIELDS = (
    "vocab_size",
    "seq_length",
    "share_embeddings_and_output_weights",
    "rotary_percent",
    "rotary_base",
    "seq_len_interpolation_factor",
    "parallel_output",
    "fp16_lm_cross_entropy",
)


def fitting(gpu: str, precision: str) -> tuple[list[str], int]:
    """The 8B's recipe on one GPU, as overrides, and how many of its layers fit by the plan, with nothing recomputed.

    Fewer layers are a smaller error than another optimizer or recomputation, which the recipe's 8 GPUs do without: a
    second depth tells what a layer costs. Errors: `InputError` where the GPU has not the precision.
    """
    one = ["parallelism=gpus_1", f"hardware={gpu}", "hardware.devices=1", "hardware.num_nodes=1"]
    one += [f"precision={precision}", "dataset.micro_batch_size=1", "dataset.global_batch_size=1"]
    config = compose_config(RECIPE, one)
    whole = read_architecture(config.model_tag)
    length = whole.max_position_embeddings
    check_run(config, whole, length)
    for layers in range(whole.num_hidden_layers, 0, -FEWER):
        architecture = dataclasses.replace(whole, num_hidden_layers=layers)
        if fits(config, memory_per_gpu(config, architecture, length)):
            return one, layers
    raise InputError(f"not even {FEWER} layers fit on one {gpu} in {precision}, by the plan", kind="too-small-gpu")


FEWER = 2
"""Layers that are left out at a time where all 32 do not fit."""


def resolve(name: str, overrides: Iterable[str]) -> Settings:
    """The settings of a configuration. Needs NeMo, and no GPU."""
    import fiddle
    from megatron.core.optimizer import OptimizerConfig
    from megatron.core.transformer import TransformerConfig
    from nemo.lightning.pytorch.plugins.mixed_precision import update_config_with_dtype_overrides

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe

    recipe = pretrain_recipe(compose_config(name, list(overrides)))
    fused_rope, recipe.model.config.apply_rope_fusion = recipe.model.config.apply_rope_fusion, False
    model = fiddle.build(recipe.model.config)  # the fused RoPE asks for Transformer Engine already here
    model.apply_rope_fusion = fused_rope
    formats, ddp = fiddle.build(recipe.trainer.plugins).dtype_config, fiddle.build(recipe.trainer.strategy).ddp_config
    for config in (model, ddp):
        update_config_with_dtype_overrides(formats, config)  # as NeMo's strategy does
    names = {field.name for field in dataclasses.fields(OptimizerConfig)}
    overridden = {key: value for key, value in vars(formats).items() if key in names}
    fields = [field.name for field in dataclasses.fields(TransformerConfig) if field.init]
    return {
        "recipe": {"config": name, "overrides": list(overrides)},
        "transformer": _plain({field: getattr(model, field) for field in fields}),
        "model": _plain({field: getattr(model, field) for field in MODEL_FIELDS}),
        "ddp": _plain(dataclasses.asdict(ddp)),
        "optimizer": _plain({**recipe.optim.config.__arguments__, **overridden}),
    }


def configuration(settings: Settings) -> TrainConfig:
    """The configuration that settings are of."""
    return compose_config(settings["recipe"]["config"], settings["recipe"]["overrides"])


def architecture_of(settings: Settings) -> LlamaArchitecture:
    """The architecture, with as many layers as the settings have."""
    architecture = read_architecture(configuration(settings).model_tag)
    return dataclasses.replace(architecture, num_hidden_layers=settings["transformer"]["num_layers"])


def with_layers(settings: Settings, layers: int) -> Settings:
    """The same with `layers` layers."""
    return {**settings, "transformer": {**settings["transformer"], "num_layers": layers}}


def in_fp8_throughout(settings: Settings) -> Settings:
    """The same without layers that stay in bf16, where it is FP8."""
    changes = {"first_last_layers_bf16": False, "num_layers_at_start_in_bf16": 0, "num_layers_at_end_in_bf16": 0}
    return {**settings, "transformer": {**settings["transformer"], **changes}}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that JSON has, and dtypes by name; functions are left to Megatron-Core's defaults."""
    kept = {key: str(value) if type(value).__name__ == "dtype" else value for key, value in values.items()}
    return {key: value for key, value in kept.items() if isinstance(value, str | int | float | bool | None)}
