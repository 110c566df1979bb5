"""What to change in a recipe that does not fit, as overrides that can be pasted."""

import dataclasses
from collections.abc import Iterable, Iterator

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from foundation.errors import InputError
from launch.planning.commands import overrides
from launch.planning.memory import memory_per_gpu
from launch.planning.rules import check_run
from launch.planning.search import change_layout, comfortable, least_recomputation


def remedies(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> tuple[str, ...]:
    """Single changes after which the recipe fits, the cheapest first; where no single one is enough, two together."""
    for changes in (_changes, _pairs):
        if found := _fitting(config, changes(config, architecture, sequence_length), architecture, sequence_length):
            return found
    return ()


def other_batches(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> tuple[str, ...]:
    """The nearest global batches that divide over the replicas, where nothing else keeps the recipe from working."""
    data, layout = config.dataset, config.parallelism
    devices = config.hardware.devices * config.hardware.num_nodes
    step = data.micro_batch_size * (devices // (layout.tensor * layout.pipeline * layout.context))
    below = data.global_batch_size // max(1, step) * step
    sizes = (size for size in (below, below + step) if size)
    changed = (dataclasses.replace(config, dataset=dataclasses.replace(data, global_batch_size=size)) for size in sizes)
    return _fitting(config, changed, architecture, sequence_length)


def _fitting(
    config: TrainConfig, changes: Iterable[TrainConfig], architecture: LlamaArchitecture, sequence_length: int
) -> tuple[str, ...]:
    found = []
    for changed in changes:
        try:
            check_run(changed, architecture, sequence_length)
        except InputError:
            continue
        if comfortable(changed, memory_per_gpu(changed, architecture, sequence_length)):
            found.append(" ".join(overrides(config, changed)))
    return tuple(found)


def _pairs(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> Iterator[TrainConfig]:
    """Shorter moments, and the least recomputation that they leave."""
    if config.parallelism.precision_aware_optimizer and config.precision.moments == "float32":
        shorter = dataclasses.replace(config, precision=dataclasses.replace(config.precision, moments="bfloat16"))
        if recomputed := least_recomputation(shorter, architecture, sequence_length):
            yield recomputed


def _changes(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> Iterator[TrainConfig]:
    precision, data, layout = config.precision, config.dataset, config.parallelism
    for size in (1, 2, 4, 8):
        if size < data.micro_batch_size:
            yield dataclasses.replace(config, dataset=dataclasses.replace(data, micro_batch_size=size))
    if precision.grad_reduce_in_fp32:
        yield dataclasses.replace(config, precision=dataclasses.replace(precision, grad_reduce_in_fp32=False))
    if not layout.precision_aware_optimizer:
        yield change_layout(config, precision_aware_optimizer=True)
    elif precision.moments == "float32":
        yield dataclasses.replace(config, precision=dataclasses.replace(precision, moments="bfloat16"))
    for size in (2, 4, 8):
        if size > layout.context:
            yield change_layout(config, context=size)
    if fitting := least_recomputation(config, architecture, sequence_length):
        yield fitting
    for size in (2, 4, 8):
        if layout.tensor < size <= config.hardware.devices:
            yield change_layout(config, tensor=size, sequence_parallel=True)
    for size in (2, 4, 8):
        if size > layout.pipeline:
            yield change_layout(config, pipeline=size)
