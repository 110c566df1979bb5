"""The optimizer's state of a checkpoint, as it moves between NeMo 2 and Megatron-Bridge.

Its tensors are named after those of the model, `optimizer.state.exp_avg.[module.]decoder...`; what they do not hold
(step, parameter groups, schedule) is in `common.pt`. Random states and the position in the data do not move.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conversion.files.dtypes import DTYPES
from conversion.megatron.common_state import read_common
from conversion.megatron.dcp_metadata import Chunk, StoredTensor
from conversion.megatron.dcp_read import Shards
from conversion.megatron.megatron_directory import MegatronDirectory
from foundation.errors import InputError, shown
from foundation.memory import bounded_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_NAMED = re.compile(
    r"((?:chained_\d+\.)?optimizer\.state\.[^.]+\.)(?:module\.)?((?:decoder|embedding|output_layer)\..*)"
)


@dataclass(frozen=True, kw_only=True)
class Training:
    """`step` finished steps; `optimizer` and `schedule` are the parts of `common.pt`, `tensors` those of the shards."""

    step: int
    optimizer: Mapping[str, Any]
    schedule: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]
    shards: Shards

    @property
    def bytes(self) -> int:
        """Size of all tensors."""
        return sum(math.prod(t.shape) * DTYPES[t.dtype].itemsize for t in self.tensors.values())

    def chunks(self, prefix: str) -> Iterator[tuple[str, StoredTensor, Chunk, "Array"]]:
        """Each chunk of each tensor, named as in a checkpoint of `prefix`, with its numbers."""
        for name, stored in self.tensors.items():
            for chunk in stored.chunks:
                yield _renamed(name, prefix), stored, chunk, self.shards.chunk(name, stored, chunk)


def read_training(checkpoint: MegatronDirectory) -> Training:
    """The optimizer's state of `checkpoint`. Errors: `InputError` where there is none, or it cannot be moved."""
    tensors = {name: stored for name, stored in checkpoint.tensors.others.items() if "optimizer." in name}
    if not tensors:
        raise InputError(
            "holds no optimizer state",
            where=checkpoint.directory,
            fix="Convert the weights alone.",
            kind="no-optimizer-state",
        )
    for name in checkpoint.tensors.objects:
        if "optimizer." in name:
            raise InputError(
                f"{shown(name)} is a pickled object",
                where=checkpoint.tensors.listing,
                fix="Only optimizers whose state is tensors move; convert the weights alone.",
                kind="optimizer-object",
            )
    with bounded_memory(checkpoint.directory):
        common = read_common(checkpoint.tensors.folder / "common.pt", within=checkpoint.directory)
    return Training(
        step=common.step,
        optimizer=common.optimizer,
        schedule={"opt_param_scheduler": common.schedule} if common.schedule else {},
        tensors=tensors,
        shards=checkpoint.tensors.shards,
    )


def _renamed(name: str, prefix: str) -> str:
    """The name of an optimizer's tensor with `prefix` before that of the model's; buffers of buckets keep theirs."""
    match = _NAMED.fullmatch(name)
    return f"{match[1]}{prefix}{match[2]}" if match else name
