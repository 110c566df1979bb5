"""A recipe after the overrides of `nemo llm pretrain`, read back as a configuration, so that both doors check alike.

NeMo-Run applies them to the recipe that a factory has returned, where no check of a configuration sees them.
"""

import copy
from collections.abc import Sequence
from typing import Any

import fiddle
from nemo_run.cli.cli_parser import CLIException, parse_cli_args

from conduct.errors import InputError
from configs.llama import LlamaArchitecture, from_megatron_fields
from recipes.check import check_config
from recipes.overrides import of_the_recipe
from recipes.start import check_start, warn

# Key of the configuration, and where NeMo's recipe has its value.
PLACES = (
    ("hardware.accelerator", "trainer.accelerator"),
    ("hardware.devices", "trainer.devices"),
    ("hardware.num_nodes", "trainer.num_nodes"),
    ("trainer.max_steps", "trainer.max_steps"),
    ("trainer.validate_every", "trainer.val_check_interval"),
    ("trainer.validation_batches", "trainer.limit_val_batches"),
    ("trainer.log_every", "trainer.log_every_n_steps"),
    ("trainer.checkpoint_every", "log.ckpt.every_n_train_steps"),
    ("trainer.keep_checkpoints", "log.ckpt.save_top_k"),
    ("parallelism.tensor", "trainer.strategy.tensor_model_parallel_size"),
    ("parallelism.pipeline", "trainer.strategy.pipeline_model_parallel_size"),
    ("parallelism.context", "trainer.strategy.context_parallel_size"),
    ("parallelism.sequence_parallel", "trainer.strategy.sequence_parallel"),
    ("parallelism.distributed_optimizer", "optim.config.use_distributed_optimizer"),
    ("parallelism.precision_aware_optimizer", "optim.config.use_precision_aware_optimizer"),
    ("precision.compute", "trainer.plugins.precision"),
    ("dataset.corpus", "data.corpus"),
    ("dataset.mode", "data.mode"),
    ("dataset.stride", "data.stride"),
    ("dataset.sequence_length", "data.seq_length"),
    ("dataset.micro_batch_size", "data.micro_batch_size"),
    ("dataset.global_batch_size", "data.global_batch_size"),
    ("dataset.num_workers", "data.num_workers"),
    ("dataset.soft_mask_weight", "data.soft_mask_weight"),
    ("dataset.markup_weight", "data.markup_weight"),
    ("optimizer.lr", "optim.config.lr"),
    ("optimizer.weight_decay", "optim.config.weight_decay"),
    ("optimizer.clip_grad", "optim.config.clip_grad"),
    ("optimizer.schedule", "optim.lr_scheduler.schedule"),
    ("optimizer.schedule_steps", "optim.lr_scheduler.schedule_steps"),
    ("optimizer.warmup_steps", "optim.lr_scheduler.warmup_steps"),
    ("optimizer.decay_steps", "optim.lr_scheduler.decay_steps"),
    ("optimizer.decay", "optim.lr_scheduler.decay"),
    ("optimizer.min_lr", "optim.lr_scheduler.min_lr"),
    ("lora.dim", "peft.dim"),
)

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
    check_config(config, _architecture(changed))
    warn(config)
    if _trains_here(arguments):
        check_start(config)


def read_back(config: Any, recipe: fiddle.Buildable[Any]) -> Any:
    """A copy of `config` with the values that `recipe` has. Errors: `InputError` for one of a wrong type."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    config = copy.deepcopy(config)
    for key, place in PLACES:
        node: Any = recipe
        for name in place.split("."):
            node = getattr(node, name, None)
        if node is None:
            continue
        try:
            OmegaConf.update(config, key, node)
        except OmegaConfBaseException as error:
            raise InputError(f"is {node!r}", where=place, fix=str(error).splitlines()[0]) from error
    return config


def _architecture(recipe: fiddle.Buildable[Any]) -> LlamaArchitecture:
    return from_megatron_fields(fiddle.ordered_arguments(recipe.model.config), dtype="bfloat16", where="model.config")


def _trains_here(arguments: Sequence[str]) -> bool:
    if any(one in ("--dryrun", "--repl") or one.startswith("--to-") for one in arguments):
        return False
    executors = [one.partition("executor=")[2].partition("(")[0] for one in arguments if "executor=" in one]
    return all(name in HERE for name in executors)
