"""Whether a configuration can work: told by name, before anything heavy is imported."""

import dataclasses

from configs.extension import run_architecture
from configs.llama import LlamaArchitecture
from configs.locate import find_directory
from configs.schema import TrainConfig
from corpus.samples.datasets import Cutting
from corpus.samples.example import FULL_WEIGHT, label_weights
from foundation.errors import InputError
from launch.planning.rules import check_run
from launch.preflight.engine import check_engine
from tokenizer.huggingface import validate_tokenizer
from training.data.sources import parse_sources
from training.heads.resolve import resolve_head
from training.metrics.loggers import check_loggers


def check_config(
    config: TrainConfig, architecture: LlamaArchitecture | None = None, *, read_labels: bool = True
) -> tuple[LlamaArchitecture, int]:
    """The architecture and the sequence length in tokens that `config` leads to; of `architecture`, where it is given.

    `read_labels`: read the labelled sequences of a head too, of which the architecture has the labels.
    Errors: `InputError` for a model, tokenizer, length, precision or layout that cannot work.
    """
    check_engine(config)
    architecture = architecture or run_architecture(config)
    validate_tokenizer(find_directory(config.dataset.tokenizer_path, holding="tokenizer.json"))
    sequence_length = config.dataset.sequence_length or architecture.max_position_embeddings
    check_run(config, architecture, sequence_length)
    check_dataset(config, sequence_length)
    check_loggers(config)
    check_live_evaluation(config, sequence_length)
    if config.head.kind != "none" and read_labels:
        architecture = dataclasses.replace(architecture, head=resolve_head(config.head, sequence_length))
    return architecture, sequence_length


def check_live_evaluation(config: TrainConfig, sequence_length: int) -> None:
    """Refuse a suite that the live weights cannot be asked, before NeMo is imported. Errors: `InputError`."""
    from evaluation.suite.recall import fitting
    from training.live.tasks import live_suite

    suite = config.trainer.evaluate_suite
    if config.trainer.evaluate_every:
        for task in live_suite(suite).recall:
            fitting(list(task.distances), sequence_length, where=suite or "trainer.evaluate_every")


def check_dataset(config: TrainConfig, sequence_length: int) -> None:
    """Refuse data settings that the data module would refuse after NeMo was imported."""
    data, layout = config.dataset, config.parallelism
    if config.head.kind == "none":
        parse_sources(data.corpus)
        Cutting(seq_length=sequence_length, mode=data.mode, stride=data.stride)
        label_weights(data.soft_mask_weight, data.markup_weight)
    if data.mode == "packed" and layout.pipeline > 1 and data.micro_batch_size > 1:
        raise InputError(
            f"dataset.mode=packed and parallelism.pipeline={layout.pipeline} with "
            f"dataset.micro_batch_size={data.micro_batch_size}",
            fix="Pipeline stages pass packed samples on one at a time: use dataset.micro_batch_size=1.",
            kind="packed-pipeline",
        )
    most = (2**31 - 1) // FULL_WEIGHT
    if (tokens := data.global_batch_size * sequence_length) > most:
        raise InputError(
            f"dataset.global_batch_size={data.global_batch_size} makes {tokens:,} tokens per step",
            fix=f"Megatron-Core counts hundredths of tokens in 32 bits: at most {most:,}.",
            kind="batch-too-large",
        )
