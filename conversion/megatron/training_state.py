"""The optimizer's state of a checkpoint, as it moves between NeMo 2 and Megatron-Bridge.

Its tensors are named after those of the model, `optimizer.state.exp_avg.[module.]decoder...`; what they do not hold
(step, parameter groups, schedule) is in `common.pt`. Random states and the position in the data do not move.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.checkpoint import check_inside
from conversion.files.archive_reader import StoredArray, inert, read_archive
from conversion.files.archive_writer import Tensor
from conversion.files.dtypes import DTYPES
from conversion.files.mapped_file import MappedFile
from conversion.megatron.dcp_metadata import Chunk, StoredTensor
from conversion.megatron.dcp_read import Shards
from conversion.megatron.megatron_directory import MegatronDirectory
from foundation.errors import InputError, shown
from foundation.untrusted import VALUE_LIMIT

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
    optimizer: Any
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
            self.shards.forget()


def read_training(checkpoint: MegatronDirectory) -> Training:
    """The optimizer's state of `checkpoint`. Errors: `InputError` where there is none, or it cannot be moved."""
    tensors = {name: stored for name, stored in checkpoint.tensors.others.items() if "optimizer." in name}
    if not tensors:
        raise InputError("holds no optimizer state", where=checkpoint.directory, fix="Convert the weights alone.")
    for name in checkpoint.tensors.objects:
        if "optimizer." in name:
            raise InputError(
                f"{name!r} is a pickled object",
                where=checkpoint.tensors.listing,
                fix="Only optimizers whose state is tensors move; convert the weights alone.",
            )
    common = _read_common(checkpoint.tensors.folder / "common.pt", checkpoint.directory)
    optimizer = common.get("optimizer")
    if isinstance(optimizer, list) and len(optimizer) == 1:
        optimizer = optimizer[0]
    step = common.get("global_step", common.get("iteration"))
    if not isinstance(optimizer, dict) or type(step) is not int or step < 0:
        raise InputError(
            "has no optimizer, or no step",
            where=checkpoint.tensors.folder / "common.pt",
            fix="Convert the weights alone.",
        )
    schedule = {"opt_param_scheduler": common["opt_param_scheduler"]} if "opt_param_scheduler" in common else {}
    return Training(
        step=step,
        optimizer=optimizer,
        schedule=schedule or _megatron_schedule(common, optimizer, step),
        tensors=tensors,
        shards=checkpoint.tensors.shards,
    )


def _renamed(name: str, prefix: str) -> str:
    """The name of an optimizer's tensor with `prefix` before that of the model's; buffers of buckets keep theirs."""
    match = _NAMED.fullmatch(name)
    return f"{match[1]}{prefix}{match[2]}" if match else name


def _read_common(path: Path, directory: Path) -> dict[str, Any]:
    """The parts of `common.pt` that are looked at, as plain values and `Tensor`s; what else it names stays inert."""
    if not path.is_file():
        raise InputError("is missing", where=path, fix="Copy the whole checkpoint, or convert the weights alone.")
    check_inside(path, directory)
    file = MappedFile(path)
    try:
        content = read_archive(file, 0, file.size, others=inert)
        wanted = ("optimizer", "opt_param_scheduler", "global_step", "iteration", "lr_schedulers")
        plain = _Plain(file)
        common = {key: plain(content[key]) for key in wanted if key in content}
        samples = [value["consumed_samples"] for value in content.values() if _has(value, "consumed_samples")]
        return {**common, "consumed_samples": samples[0] if samples else None}
    except Exception as error:  # a broken archive can raise anything
        raise InputError(f"cannot be read ({error})", where=path, fix="Convert the weights alone.") from error


class _Plain:
    """Copies values; one that is in several places, each time anew, so that their number is bounded."""

    def __init__(self, file: MappedFile) -> None:
        self._file, self._left = file, VALUE_LIMIT

    def __call__(self, value: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"it stands for more than {VALUE_LIMIT:,} values")
        if isinstance(value, StoredArray):
            numbers = self._file.array(value.start, value.shape, value.dtype)
            return Tensor(dtype=value.dtype, shape=value.shape, rows=[numbers])
        if isinstance(value, dict):
            return {self(key): self(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self(item) for item in value)
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise ValueError(f"it holds {shown(value)}")


def _megatron_schedule(common: Mapping[str, Any], optimizer: Mapping[str, Any], step: int) -> dict[str, Any]:
    """Megatron-Core's `OptimizerParamScheduler`, which counts samples, out of NeMo's scheduler, which counts steps.

    Nothing where NeMo's is of another kind; Megatron-Bridge then asks for `override_opt_param_scheduler`.
    """
    schedulers, samples = common.get("lr_schedulers"), common.get("consumed_samples")
    groups = optimizer.get("param_groups")
    if not schedulers or not groups or not step or type(samples) is not int or not _has(schedulers[0], "warmup_steps"):
        return {}
    batch, scheduler = samples // step, schedulers[0]
    decay = max(group.get("weight_decay", 0.0) for group in groups)
    return {
        "opt_param_scheduler": {
            "max_lr": max(scheduler["base_lrs"]),
            "min_lr": scheduler["min_lr"],
            "lr_warmup_steps": scheduler["warmup_steps"] * batch,
            "lr_decay_steps": scheduler["max_steps"] * batch,
            "lr_decay_style": "WSD" if scheduler.get("schedule") == "wsd" else "cosine",
            "num_steps": samples,
            "start_wd": decay,
            "end_wd": decay,
            "wd_incr_style": "constant",
            "wd_incr_steps": scheduler["max_steps"] * batch,
        }
    }


def _has(value: Any, key: str) -> bool:
    return isinstance(value, dict) and key in value
