"""What a head on the model must satisfy."""

import math
from collections.abc import Iterator

from configs.heads import KINDS, MEASURES, POOLINGS
from configs.schema import HeadConfig, TrainConfig
from launch.planning.rule import Rule

WEIGHED = ("classify", "multilabel", "tokens")
"""Kinds of head whose labels are classes."""


def head_rules(config: TrainConfig) -> Iterator[Rule]:
    """What a head can be, and be trained with."""
    head, layout = config.head, config.parallelism
    yield head.kind in ("none", *KINDS), f"head.kind={head.kind}", f"Use none, {', '.join(KINDS)}."
    if head.kind == "none":
        return
    yield config.finetune, "head.kind without finetune", "A head needs weights to start from: add finetune=true."
    yield (
        config.trainer.evaluate_every == 0,
        f"trainer.evaluate_every={config.trainer.evaluate_every} with head.kind={head.kind}",
        "Remove trainer.evaluate_every: a head is measured at each validation, and has no bases to predict.",
    )
    yield head.train is not None, "head.train=null", "Add head.train=FILE: labelled sequences."
    yield head.pooling in POOLINGS, f"head.pooling={head.pooling}", f"Use {' or '.join(POOLINGS)}."
    yield head.truncate in ("refuse", "left", "right"), f"head.truncate={head.truncate}", "Use refuse, left or right."
    yield (
        head.class_weights in ("none", "balanced") and (head.class_weights == "none" or head.kind in WEIGHED),
        f"head.class_weights={head.class_weights} with head.kind={head.kind}",
        f"Use none, or balanced with {', '.join(WEIGHED)}.",
    )
    yield (
        0 <= head.label_smoothing < 1 and (head.label_smoothing == 0 or head.kind in WEIGHED),
        f"head.label_smoothing={head.label_smoothing} with head.kind={head.kind}",
        f"Give a share from 0 to below 1, with {', '.join(WEIGHED)}.",
    )
    yield (
        0 < head.validation_fraction < 1,
        f"head.validation_fraction={head.validation_fraction}",
        "Give a share above 0 and below 1.",
    )
    yield head.lr_multiplier > 0, f"head.lr_multiplier={head.lr_multiplier}", "Give a number above 0."
    yield head.patience >= 1, f"head.patience={head.patience}", "Give a number above 0."
    known = ("none", "loss", *MEASURES[head.kind])
    yield (
        head.stop_metric in known,
        f"head.stop_metric={head.stop_metric} with head.kind={head.kind}",
        f"Use one of {', '.join(known)}.",
    )
    trainer = config.trainer
    needed = (head.patience + 1) * max(1, trainer.validate_every // trainer.checkpoint_every)
    yield (
        head.stop_metric == "none" or trainer.validate_every % trainer.checkpoint_every == 0,
        f"trainer.checkpoint_every={trainer.checkpoint_every} with trainer.validate_every={trainer.validate_every}",
        "The best validation needs a checkpoint: make trainer.checkpoint_every a divisor of validate_every.",
    )
    yield (
        head.stop_metric == "none" or trainer.keep_checkpoints == -1 or trainer.keep_checkpoints >= needed,
        f"trainer.keep_checkpoints={trainer.keep_checkpoints} with head.patience={head.patience}",
        f"The best one would be removed before the run stops: give {needed}, or -1 for all.",
    )
    one = len(head.labels) == 1 or head.kind in ("multilabel", "regress")
    yield (
        bool(head.labels) and one,
        f"head.labels={head.labels} with head.kind={head.kind}",
        "Name one column of labels; multilabel and regress can have several.",
    )
    columns = [one for one in (head.sequence, head.split_column, *head.labels) if one is not None]
    yield len(set(columns)) == len(columns), f"a column is named twice in {columns}", "Name each column once."
    yield (
        head.split_column is None or (head.validation is None and head.test is None),
        f"head.split_column={head.split_column} with head.validation={head.validation} and head.test={head.test}",
        "A column says which sequences are of validation and test, or files do: choose one.",
    )
    yield from _signal_rules(head)
    yield (
        not (head.freeze_body and config.lora.dim),
        f"head.freeze_body=true with lora.dim={config.lora.dim}",
        "Adapters change what the body gives: choose one of them.",
    )
    yield (
        layout.pipeline == 1 and layout.context == 1,
        f"head.kind={head.kind} with parallelism.pipeline={layout.pipeline} and parallelism.context={layout.context}",
        "Sequences of different lengths go whole through one stage: use tensor parallelism.",
    )
    yield config.optimizer.z_loss == 0, "optimizer.z_loss with a head", "It is a term of a language model's loss."
    yield not config.dataset.reverse_complement, "dataset.reverse_complement with a head", "Use head.both_strands."


def _signal_rules(head: HeadConfig) -> Iterator[Rule]:
    """Labels from a bigWig."""
    yield (
        (head.genome is None) == (head.bigwig is None),
        f"head.genome={head.genome} with head.bigwig={head.bigwig}",
        "Give both: the FASTA file of the regions in head.train, and the bigWig with their labels.",
    )
    yield (
        head.bigwig is None or (head.kind == "track" and head.split_column is None),
        f"head.bigwig={head.bigwig} with head.kind={head.kind} and head.split_column={head.split_column}",
        "Give head.kind=track, and validation regions as a BED file of their own: head.validation.",
    )
    yield (
        head.bigwig_fill is None or (head.bigwig is not None and math.isfinite(head.bigwig_fill)),
        f"head.bigwig_fill={head.bigwig_fill} with head.bigwig={head.bigwig}",
        "Give a number, with head.bigwig.",
    )
