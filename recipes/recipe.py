"""From a resolved configuration to a NeMo recipe: one function for every command.

The functions here and beside it make the parts of a recipe, with what follows from several settings together. The
settings themselves go to their places by the one table of them (`configs.schema`, `training.places`).
"""

from pathlib import Path
from typing import Any

import nemo_run as run
from nemo import lightning as nl
from nemo.collections import llm

from configs.extension import extended_from
from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from launch.preflight.check import check_config
from launch.preflight.engine import check_engine_is_nemo
from recipes.model import model_recipe
from recipes.optimizer import optimizer_recipe
from recipes.trainer import trainer_recipe
from tokenizer.nucleotide import NucleotideTokenizer
from training.checkpointing.checkpoints import StepCheckpoints
from training.checkpointing.resume import ResumeOrStart
from training.data.module import GenomicDataModule
from training.heads.data import LabelledDataModule
from training.lora import PatternLoRA
from training.metrics.loggers import logger_fields
from training.places import write_settings


def pretrain_recipe(config: TrainConfig) -> run.Partial:
    """`llm.pretrain`, or `llm.finetune`, with everything that `config` says. Nothing is built yet.

    Errors: `InputError` for a model, tokenizer or layout that cannot work.
    """
    return build_recipe(config, *check_config(config))


def build_recipe(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> run.Partial:
    """The same for a configuration that is checked, with what the check leads to."""
    check_engine_is_nemo(config, "a NeMo recipe")
    data = LabelledDataModule if architecture.head else GenomicDataModule
    recipe = run.Partial(
        llm.finetune if config.finetune else llm.pretrain,
        model=model_recipe(config, architecture, sequence_length),
        data=run.Config(data, tokenizer=run.Config(NucleotideTokenizer)),
        trainer=trainer_recipe(config),
        log=log_recipe(config),
        optim=optimizer_recipe(config),
        resume=resume_recipe(config),
        **(finetune_fields(config) if config.finetune else {}),
    )
    write_settings(recipe, config)
    recipe.data.seq_length = sequence_length
    return recipe


def finetune_fields(config: TrainConfig) -> dict[str, Any]:
    """What `llm.finetune` has in addition to `llm.pretrain`."""
    fields: dict[str, Any] = {"tokenizer": "data"}  # NeMo would take the model's, which has none yet
    if config.lora.dim:
        fields["peft"] = run.Config(PatternLoRA)
    return fields


def log_recipe(config: TrainConfig) -> run.Config[nl.NeMoLogger]:
    """Checkpoints `RUN/checkpoints/step=N`, with `…-last` a link to the newest, the loggers, and NeMo's own logs.

    Those have a directory of their own, because NeMo moves the files of its log directory away at each resume.
    """
    return run.Config(
        nl.NeMoLogger,
        explicit_log_dir=str(Path(config.run_dir) / "nemo_logs"),
        name="",
        log_global_rank_0_only=True,
        update_logger_directory=False,
        ckpt=run.Config(
            StepCheckpoints,
            dirpath=str(Path(config.run_dir) / "checkpoints"),
            filename="{step}",
            monitor="step",
            mode="max",
            save_last="link",
            save_optim_on_train_end=True,
        ),
        **logger_fields(config),
    )


def resume_recipe(config: TrainConfig) -> run.Config[ResumeOrStart]:
    """Go on from the newest whole checkpoint in the run directory where there is one."""
    # Artifacts are what NeMo would build of the checkpoint's context; the tokenizer comes with the data.
    start = run.Config(nl.RestoreConfig, load_artifacts=False) if config.init_from else None
    return run.Config(
        ResumeOrStart,
        resume_if_exists=True,
        resume_ignore_no_checkpoint=True,
        resume_past_end=True,
        resume_from_directory=str(Path(config.run_dir) / "checkpoints"),
        restore_config=start,
        extends=config.model_tag if config.init_from and extended_from(config) else None,
    )
