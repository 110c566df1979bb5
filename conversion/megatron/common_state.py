"""The common state of a `torch_dist` directory: step, parameter groups and schedule, field by field.

Megatron-core before 0.19 writes it as `common.pt`, later ones as an object in a shard.
"""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversion.checkpoint import check_inside
from conversion.files.archive_reader import StoredArray, inert, read_archive
from conversion.files.archive_writer import Tensor
from conversion.files.dtypes import DTYPES
from conversion.files.mapped_file import MappedFile
from conversion.megatron.dcp_metadata import Chunk
from foundation.errors import InputError, shown
from foundation.untrusted import VALUE_LIMIT

_FIX = "Convert the weights alone."
_CONTENT = "content_metadata"
_MOST_STEPS = 1 << 31
_MOST_SAMPLES = 1 << 62


@dataclass(frozen=True, kw_only=True)
class CommonState:
    """`schedule` is Megatron-Core's `OptimizerParamScheduler`; empty where the training had one of another kind.

    `content`: how the tensors of the optimizer are cut, by which Megatron-Core loads them.
    """

    step: int
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    content: dict[str, Any]


def read_common(
    path: Path, *, within: Path, shard: Chunk | None = None, groups: Mapping[str, Any] | None = None
) -> CommonState:
    """What moves beside the tensors, of the file `path`, or where there is none of `shard`; all else stays inert.

    `groups`: the state with the parameter groups, where it is not in there.
    Errors: `InputError` naming the field that is missing or not what it must be.
    """
    if path.is_file() or shard is None:
        start, length = 0, None
    else:
        path, start, length = shard.file, shard.start, shard.length
    if not path.is_file():
        fix = "Copy the whole checkpoint, or convert the weights alone."
        raise InputError("is missing", where=path, fix=fix, kind="no-common-state")
    check_inside(path, within)
    try:
        file = MappedFile(path)
        found = read_archive(file, start, file.size if length is None else length, others=inert)
        content = _mapping(found if length is None else _only(found), "it")  # an object is in a list of one
        plain = _Plain(file)
        optimizer = _mapping(_only(plain(content.get("optimizer", {} if groups else None), "optimizer")), "optimizer")
        key = "global_step" if "global_step" in content else "iteration"
        step = _whole(content.get(key), key, _MOST_STEPS)
        schedule = _schedule(content, groups or optimizer, step, plain)
        return CommonState(
            step=step, optimizer=optimizer, schedule=schedule, content=_scalars(content, _CONTENT, plain)
        )
    except MemoryError:
        raise
    except Exception as error:  # a broken archive can raise anything
        problem = error.problem if isinstance(error, InputError) else f"cannot be read ({error})"
        raise InputError(problem, where=path, fix=_FIX, kind="common-state") from error


def read_samples(path: Path, *, within: Path) -> int | None:
    """The samples that Megatron-Bridge counted in `train_state.pt`; None where there is none. Errors: `InputError`."""
    if not path.is_file():
        return None
    check_inside(path, within)
    try:
        file = MappedFile(path)
        stored = read_archive(file, 0, file.size, others=inert)["consumed_train_samples"]
        count = file.array(stored.start, (), stored.dtype).item()
        return _whole(count, "consumed_train_samples", _MOST_SAMPLES)
    except MemoryError:
        raise
    except Exception as error:  # as above
        problem = error.problem if isinstance(error, InputError) else f"cannot be read ({error})"
        raise InputError(problem, where=path, fix=_FIX, kind="common-state") from error


def read_object(shard: Chunk, name: str) -> Any:
    """An object of the optimizer as plain values. A pair of dtypes, by which buffers are distinguished, as their names.

    Errors: `InputError` for one that holds anything else.
    """
    try:
        file = MappedFile(shard.file)
        return _Plain(file)(read_archive(file, shard.start, shard.length, others=_dtype_name), name)
    except MemoryError:
        raise
    except Exception as error:  # as above
        problem = error.problem if isinstance(error, InputError) else f"{shown(name)} cannot be read ({error})"
        raise InputError(problem, where=shard.file, fix=_FIX, kind="optimizer-object") from error


def _dtype_name(name: str) -> Any:
    return name if name.removeprefix("torch.") in DTYPES else inert(name)


class _Plain:
    """Copies values; one that is in several places, each time once more, so that what is written is bounded."""

    def __init__(self, file: MappedFile) -> None:
        self._file, self._values, self._bytes = file, VALUE_LIMIT, (1 << 20) + 4 * file.size

    def __call__(self, value: Any, name: str) -> Any:
        self._charge(value)
        if isinstance(value, StoredArray):
            numbers = self._file.array(value.start, value.shape, value.dtype)
            self._bytes -= numbers.nbytes
            return Tensor(dtype=value.dtype, shape=value.shape, rows=[numbers])
        if isinstance(value, dict):
            return {self(key, name): self(item, f"{name}.{shown(key)}") for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self(item, name) for item in value)
        if value is None or isinstance(value, bool | float | str):
            return value
        if isinstance(value, int) and abs(value) < 1 << 63:
            return value
        raise InputError(f"{name} holds {shown(value)}", kind="odd-value")

    def _charge(self, value: Any) -> None:
        self._values -= 1
        self._bytes -= len(value) if isinstance(value, str) else 0
        if self._values < 0 or self._bytes < 0:
            raise InputError(
                f"stands for more than {VALUE_LIMIT:,} values, or for many times its bytes", kind="too-many-values"
            )


def _schedule(content: Mapping[str, Any], optimizer: Mapping[str, Any], step: int, plain: _Plain) -> dict[str, Any]:
    if "opt_param_scheduler" in content:
        return _scalars(content, "opt_param_scheduler", plain)
    schedulers = plain(content.get("lr_schedulers"), "lr_schedulers")
    samples = [value["consumed_samples"] for value in content.values() if _has(value, "consumed_samples")]
    if not step or not samples or schedulers is None or schedulers == []:
        return {}
    scheduler = _mapping(_list(schedulers, "lr_schedulers")[0], "lr_schedulers")
    consumed = _whole(samples[0], "consumed_samples", _MOST_SAMPLES)
    return _converted(scheduler, optimizer, step, consumed) if "warmup_steps" in scheduler else {}


def _scalars(content: Mapping[str, Any], name: str, plain: _Plain) -> dict[str, Any]:
    """The mapping `name` of numbers and words; empty where it is not there."""
    values = _mapping(plain(content[name], name), name) if name in content else {}
    return {key: _scalar(value, f"{name}.{shown(key)}") for key, value in values.items()}


def _converted(scheduler: Mapping[str, Any], optimizer: Mapping[str, Any], step: int, samples: int) -> dict[str, Any]:
    """Megatron-Core's schedule, which counts samples, out of NeMo's, which counts steps.

    Nothing where the optimizer has no groups; Megatron-Bridge then asks for `override_opt_param_scheduler`.
    """
    decays = _weight_decays(optimizer)
    if not decays:
        return {}
    rates = _list(scheduler.get("base_lrs"), "lr_schedulers.base_lrs")
    batch, field = samples // step, "lr_schedulers.{}".format
    warmup, last = (_whole(scheduler.get(key), field(key), _MOST_STEPS) for key in ("warmup_steps", "max_steps"))
    return {
        "max_lr": max(_number(rate, field("base_lrs")) for rate in rates),
        "min_lr": _number(scheduler.get("min_lr"), field("min_lr")),
        "lr_warmup_steps": warmup * batch,
        "lr_decay_steps": last * batch,
        "lr_decay_style": "WSD" if scheduler.get("schedule") == "wsd" else "cosine",
        "num_steps": samples,
        "start_wd": max(decays),
        "end_wd": max(decays),
        "wd_incr_style": "constant",
        "wd_incr_steps": last * batch,
    }


def _weight_decays(optimizer: Mapping[str, Any]) -> list[float]:
    """Of each group; Megatron-Core's distributed optimizer has its groups one level further down."""
    inner = optimizer.get("optimizer")
    owner = inner if "param_groups" not in optimizer and isinstance(inner, dict) else optimizer
    if "param_groups" not in owner:
        return []
    groups = _list(owner["param_groups"], "param_groups")
    return [
        _number(_mapping(group, "param_groups").get("weight_decay", 0.0), "param_groups.weight_decay")
        for group in groups
    ]


def _only(value: Any) -> Any:
    """The one element of a list of one; anything else is returned unchanged."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _has(value: Any, key: str) -> bool:
    return isinstance(value, dict) and key in value


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    raise _type_error(value, name, "fields with names")


def _list(value: Any, name: str) -> list[Any]:
    if isinstance(value, list) and value:
        return value
    raise _type_error(value, name, "a list of one or more")


def _whole(value: Any, name: str, limit: int) -> int:
    if type(value) is int and 0 <= value < limit:
        return value
    raise _type_error(value, name, f"a whole number from 0 to {limit - 1:,}")


def _number(value: Any, name: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # of a whole number of hundreds of digits
            if math.isfinite(value):
                return float(value)
    raise _type_error(value, name, "a number")


def _scalar(value: Any, name: str) -> bool | int | float | str | None:
    if value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) < 100):
        return value
    raise _type_error(value, name, "a number or a word")


def _type_error(value: Any, name: str, expected: str) -> InputError:
    return InputError(f"{name} is {shown(value)}, not {expected}", kind="wrong-type")
