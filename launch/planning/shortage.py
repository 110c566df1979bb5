"""Why nothing fits on a machine, and what would: the least that any layout needs, more GPUs, or adapters."""

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass

from configs.compose import compose_config, group_options, hardware_values
from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from foundation.errors import InputError
from launch.planning.memory import Memory, memory_per_gpu
from launch.planning.names import FINETUNE_FACTORIES, configuration
from launch.planning.rules import check_run
from launch.planning.search import change_layout, fits, layouts, on_gpus, search_layouts

NODES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


@dataclass(frozen=True, kw_only=True)
class SmallestLayout:
    """A layout, and the memory per GPU that it needs, even if that is too much."""

    config: TrainConfig
    memory: Memory


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """A machine on which no layout fits."""

    config: TrainConfig
    architecture: LlamaArchitecture
    sequence_length: int
    least: SmallestLayout  # the layout that needs the least memory

    @functools.cached_property
    def fewest_gpus(self) -> int | None:
        """How many GPUs of this kind are the fewest on which a layout fits; None where 128 nodes are too few."""
        for gpus in _numbers(self.config):
            one = _smallest_layout(on_gpus(_whole_node(self.config), gpus), self.architecture, self.sequence_length)
            if one and fits(one.config, one.memory):
                return gpus
        return None

    @functools.cached_property
    def adapters(self) -> str:
        """The recipe of the same size with low-rank adapters, if one of its layouts fits on this machine; else ""."""
        recipe = f"{self.config.name}_lora"
        if self.config.lora.dim or recipe not in FINETUNE_FACTORIES:
            return ""
        lora = compose_config(*configuration(recipe)).lora
        adapted = dataclasses.replace(self.config, lora=lora, finetune=True, init_from=self.config.init_from or "x")
        return recipe if search_layouts(adapted, self.architecture, self.sequence_length) else ""


def shortage_of(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> Shortage | None:
    """The want of memory on the machine of `config`; None where another problem keeps every layout from working."""
    least = _smallest_layout(config, architecture, sequence_length)
    if least is None:
        return None
    return Shortage(config=config, architecture=architecture, sequence_length=sequence_length, least=least)


def _smallest_layout(
    config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int
) -> SmallestLayout | None:
    """Of all layouts, with one sample at a time and every layer recomputed."""
    found = []
    single = dataclasses.replace(config, dataset=dataclasses.replace(config.dataset, micro_batch_size=1))
    for layout in layouts(single, architecture):
        layers = architecture.num_hidden_layers // layout.parallelism.pipeline
        recomputed = change_layout(layout, recompute_layers=layers)
        try:
            check_run(recomputed, architecture, sequence_length)
        except InputError:
            continue
        memory = memory_per_gpu(recomputed, architecture, sequence_length)
        found.append(SmallestLayout(config=recomputed, memory=memory))
    return min(found, key=lambda one: one.memory.total, default=None)


def _whole_node(config: TrainConfig) -> TrainConfig:
    """`config` on a node with all its GPUs."""
    known = config.hardware.gpu in group_options("hardware")
    each = hardware_values(config.hardware.gpu)["devices"] if known else config.hardware.devices
    hardware = dataclasses.replace(config.hardware, devices=max(each, config.hardware.devices), num_nodes=1)
    return dataclasses.replace(config, hardware=hardware)


def _numbers(config: TrainConfig) -> Iterator[int]:
    """More GPUs than `config` has: parts of a node, then nodes."""
    each, has = _whole_node(config).hardware.devices, config.hardware.devices * config.hardware.num_nodes
    numbers = [*(size for size in (1, 2, 4) if size < each), *(each * nodes for nodes in NODES)]
    return (number for number in numbers if number > has)
