"""One function from a resolved configuration to a NeMo recipe; both front doors go through it."""

from pathlib import Path

import nemo_run as run
from nemo import lightning as nl
from nemo.collections import llm

from conduct.errors import InputError
from configs.llama import LlamaArchitecture, read_architecture
from configs.locate import find_directory
from configs.schema import TrainConfig
from corpus.data_module import GenomicDataModule
from recipes.checkpoints import StepCheckpoints
from recipes.model import model_recipe
from recipes.optimizer import optimizer_recipe
from recipes.trainer import trainer_recipe
from tokenizer.huggingface import validate_tokenizer
from tokenizer.nucleotide import NucleotideTokenizer


def pretrain_recipe(config: TrainConfig) -> run.Partial:
    """`llm.pretrain` with everything that `config` says. Nothing is built yet.

    Errors: `InputError` for a model, tokenizer or layout that cannot work.
    """
    architecture = read_architecture(config.model_tag)
    validate_tokenizer(find_directory(config.dataset.tokenizer_path, holding="tokenizer.json"))
    sequence_length = config.dataset.sequence_length or architecture.max_position_embeddings
    check_layout(config, architecture, sequence_length)
    return run.Partial(
        llm.pretrain,
        model=model_recipe(config, architecture, sequence_length),
        data=run.Config(
            GenomicDataModule,
            corpus=config.dataset.corpus,
            tokenizer=run.Config(NucleotideTokenizer),
            seq_length=sequence_length,
            micro_batch_size=config.dataset.micro_batch_size,
            global_batch_size=config.dataset.global_batch_size,
            num_workers=config.dataset.num_workers,
            seed=config.seed,
            soft_mask_weight=config.dataset.soft_mask_weight,
            reverse_complement=config.dataset.reverse_complement,
        ),
        trainer=trainer_recipe(config),
        log=log_recipe(config),
        optim=optimizer_recipe(config),
        resume=resume_recipe(config),
    )


def log_recipe(config: TrainConfig) -> run.Config[nl.NeMoLogger]:
    """Checkpoints `RUN/checkpoints/step=N`, with `…-last` a link to the newest, TensorBoard events, and NeMo's logs.

    Those have a directory of their own, because NeMo moves the files of its log directory away at each resume.
    """
    from lightning.pytorch.loggers import TensorBoardLogger

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
            every_n_train_steps=config.trainer.checkpoint_every,
            save_top_k=config.trainer.keep_checkpoints,
            save_last="link",
            save_optim_on_train_end=True,
        ),
        tensorboard=run.Config(TensorBoardLogger, save_dir=config.run_dir, name="", version="tensorboard"),
    )


def resume_recipe(config: TrainConfig) -> run.Config[nl.AutoResume]:
    """Go on from the newest checkpoint in the run directory where there is one."""
    start = run.Config(nl.RestoreConfig, path=config.init_from) if config.init_from else None
    return run.Config(
        nl.AutoResume,
        resume_if_exists=True,
        resume_ignore_no_checkpoint=True,
        resume_past_end=True,
        resume_from_directory=str(Path(config.run_dir) / "checkpoints"),
        restore_config=start,
    )


def check_layout(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> None:
    """Refuse by name what Megatron-Core would refuse minutes later, or compute wrongly."""
    layout, machine, data = config.parallelism, config.hardware, config.dataset
    devices = machine.devices * machine.num_nodes
    replicas = devices / (layout.tensor * layout.pipeline * layout.context)
    rules: list[tuple[bool, str, str]] = [
        (machine.accelerator in ("cpu", "gpu"), f"hardware.accelerator={machine.accelerator}", "Use cpu or gpu."),
        (
            config.precision.compute in ("bf16-mixed", "32"),
            f"precision.compute={config.precision.compute}",
            "Use bf16-mixed or 32.",
        ),
        (
            architecture.num_key_value_heads % layout.tensor == 0,
            f"parallelism.tensor={layout.tensor} does not divide {architecture.num_key_value_heads} key-value heads",
            "Choose a divisor.",
        ),
        (
            architecture.num_hidden_layers % layout.pipeline == 0,
            f"parallelism.pipeline={layout.pipeline} does not divide {architecture.num_hidden_layers} layers",
            "Choose a divisor.",
        ),
        (
            replicas == int(replicas) and replicas >= 1,
            f"{devices} devices are no multiple of tensor x pipeline x context = "
            f"{layout.tensor} x {layout.pipeline} x {layout.context}",
            "Change hardware.devices, hardware.num_nodes or the layout.",
        ),
        (
            data.global_batch_size % max(1, data.micro_batch_size * int(replicas)) == 0,
            f"dataset.global_batch_size={data.global_batch_size} is no multiple of micro_batch_size x data-parallel "
            f"replicas = {data.micro_batch_size} x {int(replicas)}",
            "Change one of them.",
        ),
        (
            sequence_length <= architecture.max_position_embeddings,
            f"dataset.sequence_length={sequence_length} is over the model's {architecture.max_position_embeddings}",
            "Shorten it, or choose a model of a longer context.",
        ),
        (
            not layout.sequence_parallel or layout.tensor > 1,
            "parallelism.sequence_parallel=true with parallelism.tensor=1",
            "Sequence parallelism splits over the tensor-parallel ranks; turn it off.",
        ),
        (
            machine.accelerator != "cpu" or (layout.context == 1 and not layout.distributed_optimizer),
            "hardware=cpu with context parallelism or the distributed optimizer",
            "Add parallelism=plain.",
        ),
    ]
    for holds, problem, fix in rules:
        if not holds:
            raise InputError(problem, where=config.model_tag, fix=fix)
