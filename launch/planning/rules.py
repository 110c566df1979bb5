"""What counts, machines, precisions and layouts must satisfy, each rule with its problem and its fix.

Imports nothing but the schema: `genomic-llama plan` asks these rules about hundreds of layouts in a tenth of a second.
"""

import math
import re
from collections.abc import Iterator

from configs.heads import KINDS, MEASURES, POOLINGS
from configs.llama import LlamaArchitecture
from configs.schema import HeadConfig, TrainConfig
from foundation.errors import InputError
from foundation.pages.quantities import plural
from launch.planning.schedule import schedule_rules

Rule = tuple[bool, str, str]
"""Whether the rule holds, the problem if not, and the fix."""


def check_run(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> None:
    """Refuse by name what Megatron-Core would refuse minutes later, or compute wrongly."""
    check_values(config)
    enforce(machine_rules(config), config)
    enforce(layout_rules(config, architecture, sequence_length), config)


def check_values(config: TrainConfig) -> None:
    """Refuse by name what cannot work on any machine, in any layout."""
    for rules in (count_rules, precision_rules, guard_rules, head_rules):
        enforce(rules(config), config)
    enforce(schedule_rules(config.optimizer), config)


def count_rules(config: TrainConfig) -> Iterator[Rule]:
    """Counts are positive, and what has to be given is."""
    yield (
        config.init_from is not None or not config.finetune,
        "no value for init_from",
        "Add init_from=CHECKPOINT, the weights to start from.",
    )
    yield (
        config.lora.dim == 0 or config.finetune,
        f"lora.dim={config.lora.dim} with finetune=false",
        "Adapters need weights to start from: add finetune=true and init_from=CHECKPOINT.",
    )
    yield (
        config.lora.dim >= 0 and config.lora.alpha > 0 and 0 <= config.lora.dropout < 1,
        f"lora.dim={config.lora.dim}, lora.alpha={config.lora.alpha}, lora.dropout={config.lora.dropout}",
        "Give dim from 0, alpha above 0, and dropout from 0 to below 1.",
    )
    counts = {
        "trainer.max_steps": config.trainer.max_steps,
        "trainer.validate_every": config.trainer.validate_every,
        "trainer.validation_batches": config.trainer.validation_batches,
        "trainer.checkpoint_every": config.trainer.checkpoint_every,
        "trainer.log_every": config.trainer.log_every,
        "dataset.micro_batch_size": config.dataset.micro_batch_size,
        "dataset.global_batch_size": config.dataset.global_batch_size,
        "optimizer.schedule_steps": config.optimizer.schedule_steps,
        "hardware.devices": config.hardware.devices,
        "hardware.num_nodes": config.hardware.num_nodes,
        "parallelism.tensor": config.parallelism.tensor,
        "parallelism.pipeline": config.parallelism.pipeline,
        "parallelism.context": config.parallelism.context,
    }
    for name, count in counts.items():
        yield count >= 1, f"{name}={count}", "Give a number above 0."
    every, seconds = config.trainer.evaluate_every, config.trainer.evaluate_seconds
    yield every >= 0, f"trainer.evaluate_every={every}", "Give a number of steps, or 0 for no evaluation."
    yield seconds > 0, f"trainer.evaluate_seconds={seconds:g}", "Give a number of seconds above 0."
    yield (
        every != 0 or config.trainer.evaluate_suite is None,
        f"trainer.evaluate_suite={config.trainer.evaluate_suite} with trainer.evaluate_every=0",
        "Add trainer.evaluate_every=STEPS.",
    )
    kept, length = config.trainer.keep_checkpoints, config.dataset.sequence_length
    yield kept == -1 or kept >= 1, f"trainer.keep_checkpoints={kept}", "Give a number above 0, or -1 to keep all."
    yield length is None or length >= 1, f"dataset.sequence_length={length}", "Give a number above 0."
    workers = config.dataset.num_workers
    yield workers >= 0, f"dataset.num_workers={workers}", "Give a number from 0."


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


WEIGHED = ("classify", "multilabel", "tokens")
"""Kinds of head whose labels are classes."""


def guard_rules(config: TrainConfig) -> Iterator[Rule]:
    """What a guard can do."""
    guards = config.guards
    yield guards.non_finite in ("skip", "stop"), f"guards.non_finite={guards.non_finite}", "Use skip or stop."
    yield guards.spike in ("report", "skip", "stop"), f"guards.spike={guards.spike}", "Use report, skip or stop."
    yield (
        guards.spike_deviations > 0 and guards.spike_window >= 3,
        f"guards.spike_deviations={guards.spike_deviations}, guards.spike_window={guards.spike_window}",
        "Give deviations above 0 and a window of at least 3 steps.",
    )
    yield guards.most_skipped >= 0, f"guards.most_skipped={guards.most_skipped}", "Give a number from 0."
    yield (
        guards.hang_seconds >= 0 and guards.hang_factor > 1,
        f"guards.hang_seconds={guards.hang_seconds}, guards.hang_factor={guards.hang_factor}",
        "Give seconds from 0 and a factor above 1.",
    )
    for steps in guards.skip_steps:
        first, _, last = steps.partition("-")
        numbers = [first, last or first]
        yield (
            all(number.isdecimal() for number in numbers) and 1 <= int(numbers[0]) <= int(numbers[1]),
            f"guards.skip_steps holds {steps!r}",
            "Write steps as 1500 or 1200-1300, counted from 1.",
        )


def machine_rules(config: TrainConfig) -> Iterator[Rule]:
    """What the machine has."""
    machine, layout = config.hardware, config.parallelism
    on_cpu = machine.accelerator == "cpu"
    devices = machine.devices * machine.num_nodes
    yield machine.accelerator in ("cpu", "gpu"), f"hardware.accelerator={machine.accelerator}", "Use cpu or gpu."
    yield (
        layout.gpus in (None, devices),
        f"this layout is for {plural(layout.gpus or 0, 'GPU')}, and hardware.devices x hardware.num_nodes = {devices}",
        f"Give hardware.num_nodes={(layout.gpus or devices) // machine.devices}, or parallelism=data_parallel."
        if (layout.gpus or devices) % machine.devices == 0
        else f"Give hardware.devices={layout.gpus}, or parallelism=data_parallel.",
    )
    yield (
        not layout.precision_aware_optimizer or (layout.distributed_optimizer and not on_cpu),
        "parallelism.precision_aware_optimizer=true without the distributed optimizer on GPUs",
        "Transformer Engine's Adam needs both; give parallelism.precision_aware_optimizer=false"
        + (", or parallelism=plain, as train_tiny and finetune_tiny have for a CPU." if on_cpu else "."),
    )


def precision_rules(config: TrainConfig) -> Iterator[Rule]:
    """Number formats that the GPU, and the optimizer, can do."""
    precision, machine = config.precision, config.hardware
    name = machine.gpu if machine.accelerator == "gpu" else machine.accelerator
    yield (
        precision.compute in ("bf16-mixed", "32"),
        f"precision.compute={precision.compute}",
        "Use bf16-mixed or 32; FP8 is precision=fp8_delayed, fp8_current, fp8_blockwise or mxfp8.",
    )
    yield (
        precision.fp8 in FP8_CAPABILITY,
        f"precision.fp8={precision.fp8}",
        f"Use one of {', '.join(FP8_CAPABILITY)}.",
    )
    needed = FP8_CAPABILITY[precision.fp8]
    other = "fp32" if name == "cpu" else "fp8_current" if machine.compute_capability >= 8.9 else "bf16"
    yield (
        machine.compute_capability >= needed,
        f"precision.fp8={precision.fp8} on {name} (compute capability {machine.compute_capability})",
        f"It needs {needed} or more ({FP8_MACHINES[needed]}); use precision={other}.",
    )
    yield (
        precision.fp8 != "blockwise" or machine.compute_capability < 10,
        f"precision.fp8=blockwise on {name} (compute capability {machine.compute_capability})",
        f"Scales of 128 values are for Hopper ({FP8_MACHINES[9.0]}); use precision=mxfp8.",
    )
    yield (
        precision.fp8 == "none" or precision.compute == "bf16-mixed",
        f"precision.fp8={precision.fp8} with precision.compute={precision.compute}",
        "FP8 goes with bf16-mixed.",
    )
    yield (
        precision.fp8 != "none" or (not precision.fp8_parameters and precision.fp8_bf16_layers == 0),
        "precision.fp8_parameters or fp8_bf16_layers without FP8",
        "Give precision.fp8, or leave them out.",
    )
    yield (
        precision.fp8_bf16_layers == 0 or precision.fp8 != "delayed",
        "precision.fp8_bf16_layers with delayed scaling",
        "Megatron-Core has no bf16 layers there; use precision=fp8_current.",
    )
    yield precision.fp8_format in ("hybrid", "e4m3"), f"precision.fp8_format={precision.fp8_format}", "Or hybrid, e4m3."
    yield (
        precision.moments in ("float32", "bfloat16"),
        f"precision.moments={precision.moments}",
        "Use float32 or bfloat16.",
    )
    yield (
        not (precision.fp8_parameters and config.init_from and config.lora.dim == 0),
        f"precision.fp8_parameters=true with init_from={config.init_from}",
        "Master weights would begin as the weights rounded to FP8; give precision.fp8_parameters=false.",
    )
    yield (
        precision.moments == "float32" or config.parallelism.precision_aware_optimizer,
        "precision.moments=bfloat16 without parallelism.precision_aware_optimizer",
        "Turn that on.",
    )


FP8_CAPABILITY = {"none": 0.0, "delayed": 8.9, "tensorwise": 8.9, "blockwise": 9.0, "mxfp8": 10.0}
"""CUDA compute capability that each FP8 recipe needs (Transformer Engine 2.9, pytorch/fp8.py)."""
FP8_MACHINES = {0.0: "any", 8.9: "h100, h200, and b200 or newer", 9.0: "h100, h200", 10.0: "b200, gb200, b300, gb300"}


def layout_rules(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> Iterator[Rule]:
    """Whole heads, layers, sequences and batches on every device."""
    layout, data, precision = config.parallelism, config.dataset, config.precision
    devices = config.hardware.devices * config.hardware.num_nodes
    replicas = devices / (layout.tensor * layout.pipeline * layout.context)
    stage = architecture.num_hidden_layers // layout.pipeline
    yield (
        architecture.num_key_value_heads % layout.tensor == 0,
        f"parallelism.tensor={layout.tensor} does not divide {architecture.num_key_value_heads} key-value heads",
        "Choose a divisor.",
    )
    yield (
        architecture.num_hidden_layers % layout.pipeline == 0,
        f"parallelism.pipeline={layout.pipeline} does not divide {architecture.num_hidden_layers} layers",
        "Choose a divisor.",
    )
    yield (
        all(rank % layout.tensor == 0 for rank in config.lora.ranks.values()),
        f"lora.dim={config.lora.dim} is not a multiple of parallelism.tensor={layout.tensor}"
        if config.lora.dim % layout.tensor
        else f"lora.rank_pattern has a rank that is not a multiple of parallelism.tensor={layout.tensor}",
        "Tensor parallelism splits the rank of the adapters: choose a multiple.",
    )
    yield (
        0 <= layout.recompute_layers <= stage,
        f"parallelism.recompute_layers={layout.recompute_layers} of {stage} layers in a pipeline stage",
        "Choose a number from 0 to that.",
    )
    yield (
        0 <= precision.fp8_bf16_layers <= stage,
        f"precision.fp8_bf16_layers={precision.fp8_bf16_layers} of {stage} layers in a pipeline stage",
        "Choose a number from 0 to that.",
    )
    yield (
        replicas == int(replicas) and replicas >= 1,
        f"{devices} devices are not a multiple of tensor x pipeline x context = "
        f"{layout.tensor} x {layout.pipeline} x {layout.context}",
        "Change hardware.devices, hardware.num_nodes or the layout.",
    )
    yield (
        data.global_batch_size % max(1, data.micro_batch_size * int(replicas)) == 0,
        f"dataset.global_batch_size={data.global_batch_size} is not a multiple of micro_batch_size x data-parallel "
        f"replicas = {data.micro_batch_size} x {int(replicas)}",
        "Change one of them, or the layout: tensor, pipeline and context parallelism reduce the number of replicas.",
    )
    yield (
        sequence_length <= architecture.max_position_embeddings,
        f"dataset.sequence_length={sequence_length} exceeds the model's {architecture.max_position_embeddings}",
        f"Shorten it, or extend the context: rope.factor={sequence_length / architecture.max_position_embeddings:g} "
        "(docs/context.md).",
    )
    pieces = (2 * layout.context if layout.context > 1 else 1) * (layout.tensor if layout.sequence_parallel else 1)
    yield (
        sequence_length % pieces == 0,
        f"dataset.sequence_length={sequence_length} is not a multiple of {pieces}, into which the layout cuts it",
        "Change the length, parallelism.context or parallelism.sequence_parallel.",
    )
    rows = data.micro_batch_size * sequence_length // (layout.context * layout.tensor)
    block = 32 if precision.fp8 == "mxfp8" else 16
    yield (
        precision.fp8 == "none" or rows % block == 0,
        f"precision.fp8={precision.fp8} with {rows} tokens on a device",
        f"Transformer Engine needs a multiple of {block}; change dataset.sequence_length.",
    )
    yield (
        not layout.sequence_parallel or layout.tensor > 1,
        "parallelism.sequence_parallel=true with parallelism.tensor=1",
        "Sequence parallelism splits over the tensor-parallel ranks; turn it off.",
    )


def enforce(rules: Iterator[Rule], config: TrainConfig) -> None:
    """Raise the first rule that does not hold: about the model, unless its problem begins with a setting."""
    for holds, problem, fix in rules:
        if not holds:
            where = None if re.match(r"[a-z_]+\.[a-z_0-9]+\b", problem) else config.model_tag
            raise InputError(problem, where=where, fix=fix, kind="settings-rule")
