"""What to change in a recipe that does not fit, as overrides that can be pasted."""

import dataclasses
from collections.abc import Iterator

from conduct.errors import InputError
from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from recipes.planning.memory import memory_per_gpu
from recipes.planning.search import change_layout, fits, least_recomputation
from recipes.rules import check_run


def remedies(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> tuple[str, ...]:
    """Single changes after which the recipe fits, the cheapest first; where no single one is enough, two together."""
    for changes in (_changes, _pairs):
        found = []
        for text, changed in changes(config, architecture, sequence_length):
            try:
                check_run(changed, architecture, sequence_length)
            except InputError:
                continue
            if fits(changed, memory_per_gpu(changed, architecture, sequence_length)):
                found.append(text)
        if found:
            return tuple(found)
    return ()


def _pairs(
    config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int
) -> Iterator[tuple[str, TrainConfig]]:
    """Shorter moments, and the least recomputation that they leave."""
    if config.parallelism.precision_aware_optimizer and config.precision.moments == "float32":
        shorter = dataclasses.replace(config, precision=dataclasses.replace(config.precision, moments="bfloat16"))
        if recomputed := least_recomputation(shorter, architecture, sequence_length):
            layers = recomputed.parallelism.recompute_layers
            yield f"precision.moments=bfloat16 parallelism.recompute_layers={layers}", recomputed


def _changes(
    config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int
) -> Iterator[tuple[str, TrainConfig]]:
    precision, data, layout = config.precision, config.dataset, config.parallelism
    for size in (1, 2, 4, 8):
        if size < data.micro_batch_size:
            changed = dataclasses.replace(config, dataset=dataclasses.replace(data, micro_batch_size=size))
            yield f"dataset.micro_batch_size={size}", changed
    if precision.grad_reduce_in_fp32:
        changed = dataclasses.replace(config, precision=dataclasses.replace(precision, grad_reduce_in_fp32=False))
        yield "precision.grad_reduce_in_fp32=false", changed
    if not layout.precision_aware_optimizer:
        yield "parallelism.precision_aware_optimizer=true", change_layout(config, precision_aware_optimizer=True)
    elif precision.moments == "float32":
        changed = dataclasses.replace(config, precision=dataclasses.replace(precision, moments="bfloat16"))
        yield "precision.moments=bfloat16", changed
    for size in (2, 4, 8):
        if size > layout.context:
            yield f"parallelism.context={size}", change_layout(config, context=size)
    fitting = least_recomputation(config, architecture, sequence_length)
    if fitting:
        yield f"parallelism.recompute_layers={fitting.parallelism.recompute_layers}", fitting
    for size in (2, 4, 8):
        if layout.tensor < size <= config.hardware.devices:
            text = f"parallelism.tensor={size} parallelism.sequence_parallel=true"
            yield text, change_layout(config, tensor=size, sequence_parallel=True)
    for size in (2, 4, 8):
        if size > layout.pipeline:
            yield f"parallelism.pipeline={size}", change_layout(config, pipeline=size)
