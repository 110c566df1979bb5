"""The layouts that would work on the same machine, the fastest first, by the prediction."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from configs.llama import LlamaArchitecture
from configs.schema import ParallelismConfig, TrainConfig
from foundation.errors import InputError
from foundation.spelling import option
from launch.planning.memory import GIB, Memory, memory_per_gpu
from launch.planning.rules import check_run
from launch.planning.throughput import Throughput, predict_throughput

MICRO_BATCHES = (1, 2, 4, 8, 16)
CONTEXTS = (1, 2, 4, 8)
SEARCHED = ("tensor", "pipeline", "context", "sequence_parallel", "recompute_layers")
"""Fields of `parallelism` that every layout of the search has of its own."""
SPARE = 0.03
"""Of a GPU's memory: left free by what is recommended, since a plan is arithmetic and not a measurement."""
NEAR = 0.02
"""Predicted speeds this close count as equal; then what is nearer to the recipe, and simpler, comes first."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A configuration that fits, with its memory and predicted speed."""

    config: TrainConfig
    memory: Memory
    throughput: Throughput | None  # None where no speed was published that comes near

    @property
    def tokens_per_second(self) -> float:
        """Predicted; 0 where nothing is."""
        return self.throughput.tokens_per_second if self.throughput else 0.0


def capacity(config: TrainConfig) -> float:
    """Bytes of one GPU."""
    return config.hardware.memory_gib * GIB


def fits(config: TrainConfig, memory: Memory) -> bool:
    """True where the memory is enough, the reserve included."""
    return memory.total <= capacity(config)


def comfortable(config: TrainConfig, memory: Memory) -> bool:
    """True where `SPARE` is left as well."""
    return memory.total <= (1 - SPARE) * capacity(config)


Enough = Callable[[TrainConfig, Memory], bool]


def search_layouts(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> list[Candidate]:
    """Every layout over tensor, pipeline, context, micro-batch and recomputation that fits, best first; comfortably,
    where one does.

    Recomputation is the least that makes a layout fit. The precision, the machine and the global batch stay.
    """
    return _search(config, architecture, sequence_length, comfortable) or _search(
        config, architecture, sequence_length, fits
    )


def _search(
    config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int, enough: Enough
) -> list[Candidate]:
    found = []
    for variant in _variants(config, architecture):
        try:
            check_run(variant, architecture, sequence_length)
        except InputError:
            continue
        fitting = least_recomputation(variant, architecture, sequence_length, enough)
        if fitting:
            memory = memory_per_gpu(fitting, architecture, sequence_length)
            speed = predict_throughput(fitting, architecture, sequence_length)
            found.append(Candidate(config=fitting, memory=memory, throughput=speed))
    best = max((one.tokens_per_second for one in found), default=0.0)
    return sorted(found, key=lambda one: _rank(one, config, best))


def least_recomputation(
    config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int, enough: Enough = comfortable
) -> TrainConfig | None:
    """`config` with the fewest recomputed layers that make its memory `enough`; None where all of them do not."""
    layers = architecture.num_hidden_layers // config.parallelism.pipeline
    few, many = 0, layers + 1

    def with_layers(number: int) -> bool:
        changed = change_layout(config, recompute_layers=number)
        return enough(changed, memory_per_gpu(changed, architecture, sequence_length))

    if with_layers(0):
        return change_layout(config, recompute_layers=0)
    while many - few > 1:
        middle = (few + many) // 2
        if middle <= layers and with_layers(middle):
            many = middle
        else:
            few = middle
    return change_layout(config, recompute_layers=many) if many <= layers else None


def change_layout(config: TrainConfig, **fields: Any) -> TrainConfig:
    """`config` with other fields of `parallelism`; without the number of GPUs it was named for, where that is wrong."""
    devices = config.hardware.devices * config.hardware.num_nodes
    gpus = devices if config.parallelism.gpus == devices else None
    layout: ParallelismConfig = dataclasses.replace(config.parallelism, gpus=gpus, **fields)
    return dataclasses.replace(config, parallelism=layout)


def on_gpus(config: TrainConfig, gpus: int) -> TrainConfig:
    """`config` on as few nodes as hold `gpus`. Errors: `InputError` where that leaves a node in part."""
    each = config.hardware.devices
    if gpus > each and gpus % each:
        raise InputError(
            f"{option('gpus', gpus)} is not a multiple of {each}",
            fix=f"A node has {each}; use whole nodes.",
            kind="partial-node",
        )
    hardware = dataclasses.replace(config.hardware, devices=min(gpus, each), num_nodes=max(1, gpus // each))
    return dataclasses.replace(config, hardware=hardware)


def layouts(config: TrainConfig, architecture: LlamaArchitecture) -> Iterator[TrainConfig]:
    """Every split of the model that the machine might hold, over tensor, pipeline and context; not checked yet."""
    tensors = [size for size in (1, 2, 4, 8) if size <= config.hardware.devices]  # with context, within a node: NVLink
    layers = architecture.num_hidden_layers
    pipelines = [size for size in range(1, min(layers, 16) + 1) if layers % size == 0]
    for tensor in tensors:
        for pipeline in pipelines:
            for context in (size for size in CONTEXTS if tensor * size <= config.hardware.devices):
                yield change_layout(
                    config,
                    tensor=tensor,
                    pipeline=pipeline,
                    context=context,
                    sequence_parallel=tensor > 1,
                    recompute_layers=0,
                )


def _variants(config: TrainConfig, architecture: LlamaArchitecture) -> Iterator[TrainConfig]:
    for layout in layouts(config, architecture):
        for size in sorted({*MICRO_BATCHES, config.dataset.micro_batch_size}):
            yield dataclasses.replace(layout, dataset=dataclasses.replace(config.dataset, micro_batch_size=size))


def _rank(one: Candidate, given: TrainConfig, best: float) -> tuple[float, ...]:
    layout = one.config.parallelism
    behind = 1 - one.tokens_per_second / best if best else 0.0
    return (
        round(behind / NEAR),
        layout.tensor * layout.pipeline * layout.context,
        one.config.dataset.micro_batch_size != given.dataset.micro_batch_size,
        layout.recompute_layers,
        one.config.dataset.micro_batch_size,
    )
