"""The optimizer's state of a checkpoint, as it moves between NeMo 2 and Megatron-Bridge.

Its tensors are named after those of the model, `optimizer.state.exp_avg.[module.]decoder...`; what they do not hold
(step, parameter groups, schedule) is in the common state. Random states and the position in the data do not move.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conversion.files.dtypes import DTYPES
from conversion.manifest import read_manifest
from conversion.megatron.common_state import read_common, read_object, read_samples
from conversion.megatron.dcp_metadata import COMMON, Chunk, StoredTensor
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
    """`step` finished steps; `tensors` are those of the shards, all else is of the common state (`CommonState`).

    `order`: what a run that resumes has to have too, by the manifest; empty without one. `samples` that were consumed,
    where Megatron-Bridge counted them.
    """

    step: int
    optimizer: Mapping[str, Any]
    schedule: Mapping[str, Any]
    content: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]
    objects: Mapping[str, Any]
    order: Mapping[str, Any]
    samples: int | None
    shards: Shards

    @property
    def consumed(self) -> int:
        """Samples that the steps consumed; 0 where that is not known. Megatron-Core's schedule counts them too, without
        those of updates that a guard left out.
        """
        count = self.schedule.get("num_steps") if self.samples is None else self.samples
        return count if type(count) is int and 0 <= count < 1 << 62 else 0

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
            "has no optimizer state",
            where=checkpoint.directory,
            fix="Convert the weights alone.",
            kind="no-optimizer-state",
        )
    with bounded_memory(checkpoint.directory):
        objects = {name: _object(name, checkpoint) for name in checkpoint.tensors.objects if "optimizer." in name}
        common = read_common(
            checkpoint.tensors.folder / "common.pt",
            within=checkpoint.directory,
            shard=checkpoint.tensors.objects.get(COMMON),
            groups=next((value for value in map(groups_in, objects.values()) if value is not None), None),
        )
    manifest = read_manifest(checkpoint.directory)
    return Training(
        order=manifest.trained_with if manifest else {},
        samples=read_samples(checkpoint.directory / "train_state.pt", within=checkpoint.directory),
        step=common.step,
        optimizer=common.optimizer,
        schedule=common.schedule,
        content=common.content,
        tensors=tensors,
        objects=objects,
        shards=checkpoint.tensors.shards,
    )


def groups_in(value: Any) -> dict[str, Any] | None:
    """The state with parameter groups that an object of the distributed optimizer is, in a list of one."""
    inner = value[0] if isinstance(value, list) and len(value) == 1 else value
    return inner if isinstance(inner, dict) and isinstance(inner.get("param_groups"), list) else None


def _object(name: str, checkpoint: MegatronDirectory) -> Any:
    place = checkpoint.tensors.objects[name]
    if place is None:
        where, fix = checkpoint.tensors.listing, "Convert the weights alone."
        raise InputError(f"{shown(name)} is in no file", where=where, fix=fix, kind="optimizer-object")
    return read_object(place, name)


def _renamed(name: str, prefix: str) -> str:
    """The name of an optimizer's tensor with `prefix` before that of the model's; buffers of buckets keep theirs."""
    match = _NAMED.fullmatch(name)
    return f"{match[1]}{prefix}{match[2]}" if match else name
