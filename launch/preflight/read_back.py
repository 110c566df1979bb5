"""A recipe after the overrides of `nemo llm pretrain`, read back as a configuration, so that both doors check alike.

NeMo-Run applies them to the recipe that a factory has returned, where no check of a configuration sees them.
"""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fiddle
import torch
from nemo_run.cli.cli_parser import CLIException, parse_cli_args

from configs.llama import LlamaArchitecture, from_megatron_fields
from foundation.errors import InputError
from launch.preflight.check import check_config
from launch.preflight.nemo_overrides import of_the_recipe
from launch.preflight.start import check_start, warn
from training.checkpointing.same_run import check_resume

# Key of the configuration, and where NeMo's recipe has its value.
PLACES = (
    ("seed", "data.seed"),
    ("hardware.accelerator", "trainer.accelerator"),
    ("hardware.devices", "trainer.devices"),
    ("hardware.num_nodes", "trainer.num_nodes"),
    ("trainer.max_steps", "trainer.max_steps"),
    ("trainer.validate_every", "trainer.val_check_interval"),
    ("trainer.validation_batches", "trainer.limit_val_batches"),
    ("trainer.log_every", "trainer.log_every_n_steps"),
    ("trainer.checkpoint_every", "log.ckpt.every_n_train_steps"),
    ("trainer.keep_checkpoints", "log.ckpt.save_top_k"),
    ("trainer.async_checkpoints", "trainer.strategy.ckpt_async_save"),
    ("parallelism.tensor", "trainer.strategy.tensor_model_parallel_size"),
    ("parallelism.pipeline", "trainer.strategy.pipeline_model_parallel_size"),
    ("parallelism.context", "trainer.strategy.context_parallel_size"),
    ("parallelism.sequence_parallel", "trainer.strategy.sequence_parallel"),
    ("parallelism.distributed_optimizer", "optim.config.use_distributed_optimizer"),
    ("parallelism.precision_aware_optimizer", "optim.config.use_precision_aware_optimizer"),
    ("parallelism.overlap", "trainer.strategy.ddp.overlap_grad_reduce"),
    ("parallelism.recompute_layers", "model.config.recompute_num_layers"),
    ("precision.compute", "trainer.plugins.precision"),
    ("precision.grad_reduce_in_fp32", "trainer.plugins.grad_reduce_in_fp32"),
    ("precision.moments", "optim.config.exp_avg_dtype"),
    ("dataset.corpus", "data.corpus"),
    ("dataset.mode", "data.mode"),
    ("dataset.stride", "data.stride"),
    ("dataset.sequence_length", "data.seq_length"),
    ("dataset.micro_batch_size", "data.micro_batch_size"),
    ("dataset.global_batch_size", "data.global_batch_size"),
    ("dataset.num_workers", "data.num_workers"),
    ("dataset.soft_mask_weight", "data.soft_mask_weight"),
    ("dataset.markup_weight", "data.markup_weight"),
    ("dataset.reverse_complement", "data.reverse_complement"),
    ("optimizer.lr", "optim.config.lr"),
    ("optimizer.weight_decay", "optim.config.weight_decay"),
    ("optimizer.clip_grad", "optim.config.clip_grad"),
    ("optimizer.beta1", "optim.config.adam_beta1"),
    ("optimizer.beta2", "optim.config.adam_beta2"),
    ("optimizer.eps", "optim.config.adam_eps"),
    ("optimizer.embedding_init_std", "model.config.embedding_init_method_std"),
    ("optimizer.schedule", "optim.lr_scheduler.schedule"),
    ("optimizer.schedule_steps", "optim.lr_scheduler.schedule_steps"),
    ("optimizer.warmup_steps", "optim.lr_scheduler.warmup_steps"),
    ("optimizer.decay_steps", "optim.lr_scheduler.decay_steps"),
    ("optimizer.decay", "optim.lr_scheduler.decay"),
    ("optimizer.min_lr", "optim.lr_scheduler.min_lr"),
    ("lora.dim", "peft.dim"),
    ("lora.alpha", "peft.alpha"),
    ("lora.dropout", "peft.dropout"),
)

# Those of FP8, of `trainer.plugins`; without `fp8` none of them does anything.
FP8_FIELDS = (
    ("precision.fp8", "fp8_recipe"),
    ("precision.fp8_format", "fp8"),
    ("precision.fp8_amax_history", "fp8_amax_history_len"),
    ("precision.fp8_parameters", "fp8_param_gather"),
    ("precision.fp8_bf16_layers", "num_layers_at_start_in_bf16"),
)

_ABSENT = object()

HERE = ("genomic_cpu", "genomic_local", "local", "torchrun")
"""Executors that train on the machine where the command is given."""


def check_command(config: Any, recipe: fiddle.Buildable[Any], arguments: Sequence[str]) -> None:
    """Check the recipe that `arguments` make of `recipe`, which is that of `config`, as `recipes.train` checks one.

    Errors: `InputError`. A value that NeMo-Run cannot read is left to it.
    """
    try:
        changed = parse_cli_args(copy.deepcopy(recipe), of_the_recipe(arguments))
    except CLIException:
        return
    config = read_back(config, changed)
    architecture, sequence_length = check_config(config, _architecture(changed))
    warn(config)
    if _trains_here(arguments):
        check_start(config, architecture, started=not any("executor=" in one for one in arguments))
        if _writes_where_it_says(config, changed):
            check_resume(config, architecture, sequence_length)


def read_back(config: Any, recipe: fiddle.Buildable[Any]) -> Any:
    """A copy of `config` with the values that `recipe` has. Errors: `InputError` for one of a wrong type."""
    config = copy.deepcopy(config)
    for key, place in PLACES:
        if (value := _at(recipe, place)) is not _ABSENT:
            _put(config, key, value, place)
    for key, field, value in _eight_bit(recipe.trainer.plugins):
        _put(config, key, value, f"trainer.plugins.{field}")
    if _at(recipe, "peft") is None:
        config.lora.dim = 0
    return config


def _at(node: Any, place: str) -> Any:
    """What is in a place of a recipe, `None` included; `_ABSENT` where the recipe has no such place."""
    for name in place.split("."):
        node = getattr(node, name, _ABSENT)
    return node


def _eight_bit(plugin: fiddle.Buildable[Any]) -> Iterator[tuple[str, str, Any]]:
    """Keys, fields and values of FP8. Errors: `InputError` for a scaling that nothing would be done with."""
    if plugin.fp8 is not None:
        yield from ((key, field, getattr(plugin, field)) for key, field in FP8_FIELDS if getattr(plugin, field))
    elif "fp8_recipe" in fiddle.ordered_arguments(plugin, include_defaults=False):
        fix = "Add trainer.plugins.fp8=hybrid."
        raise InputError("is given without FP8", where="trainer.plugins.fp8_recipe", fix=fix)
    else:
        yield "precision.fp8", "fp8", "none"


def _put(config: Any, key: str, value: Any, place: str) -> None:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if key == "parallelism.recompute_layers":
        value = value or 0  # Megatron-Core's None
    if isinstance(value, torch.dtype):
        value = str(value).removeprefix("torch.")
    try:
        OmegaConf.update(config, key, value)
    except OmegaConfBaseException as error:
        raise InputError(f"is {value!r}", where=place, fix=str(error).splitlines()[0]) from error


def _writes_where_it_says(config: Any, recipe: fiddle.Buildable[Any]) -> bool:
    """Whether checkpoints are in `run_dir`, as the configuration has it: NeMo's overrides can lead them elsewhere."""
    own = str(Path(config.run_dir) / "checkpoints")
    return all(_at(recipe, place) == own for place in ("log.ckpt.dirpath", "resume.resume_from_directory"))


def _architecture(recipe: fiddle.Buildable[Any]) -> LlamaArchitecture:
    return from_megatron_fields(fiddle.ordered_arguments(recipe.model.config), dtype="bfloat16", where="model.config")


def _trains_here(arguments: Sequence[str]) -> bool:
    if any(one in ("--dryrun", "--repl") or one.startswith("--to-") for one in arguments):
        return False
    executors = [one.partition("executor=")[2].partition("(")[0] for one in arguments if "executor=" in one]
    return all(name in HERE for name in executors)
