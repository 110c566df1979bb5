"""What a training run wrote about itself: `metrics.jsonl`, one line a step, and `config.yaml`, the resolved config.

There are lines of training, of validation and of checkpoints; docs/training.md says what is in them. Steps count from
1, losses are nats a token. What a line does not have is None.
"""

import dataclasses
import functools
import json
import math
import statistics
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conduct.errors import InputError
from conduct.untrusted import read_text, read_yaml


@dataclass(frozen=True, kw_only=True)
class Step:
    """One logged step. `tokens` and `seconds` since the one before; a diverged `loss` is null there, and NaN here.

    `mfu`: share of the peak of the devices; `goodput`: of the wall time until then; `time`: Unix time.
    """

    step: int
    loss: float
    learning_rate: float
    grad_norm: float | None
    tokens: int
    seconds: float
    bits_per_base: float | None = None
    bases: int | None = None
    tokens_per_second: float | None = None
    bases_per_second: float | None = None
    tflops_per_device: float | None = None
    mfu: float | None = None
    peak_memory_gib: float | None = None
    eta_seconds: float | None = None
    goodput: float | None = None
    start_seconds: float | None = None
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A validation after `step` optimizer steps: loss in nats a token, bits per base, and both of each source."""

    step: int
    validation_loss: float
    validation_bits_per_base: float | None = None
    validation_loss_by_source: Mapping[str, float | None] | None = None
    validation_bits_per_base_by_source: Mapping[str, float | None] | None = None
    validation_seconds: float | None = None
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class Saving:
    """How long training waited for the checkpoint of `step`."""

    step: int
    checkpoint_seconds: float
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunLog:
    """A run's steps and validations, in order, without what a resumed run did again.

    `replaced` counts the training lines that a resumed run replaced, `torn` says that the last line was cut off (the
    run was killed while writing it), `config` is the text of `config.yaml`. `wall_time`: seconds by what they went
    into, since the run first began; empty for logs without times.
    """

    steps: tuple[Step, ...]
    validations: tuple[Validation, ...]
    replaced: int
    torn: bool
    config: str
    wall_time: Mapping[str, float]

    @property
    def tokens(self) -> int:
        """Tokens trained on."""
        return sum(step.tokens for step in self.steps)

    @property
    def seconds(self) -> float:
        """Wall time of the steps, without what was done twice, start-up, validation and saving."""
        return sum(step.seconds for step in self.steps)

    @property
    def tokens_per_second(self) -> float:
        """Median over the steps: start-up and pauses do not count."""
        return statistics.median(step.tokens / step.seconds for step in self.steps)


def read_run_log(run: Path) -> RunLog:
    """Read the run directory `run`.

    Where a step comes again, the run was resumed before it: the later line wins, and what the first attempt did from
    that step on is dropped. Errors: `InputError` naming the file and the line for one that is missing or broken.
    """
    path, torn = Path(run) / "metrics.jsonl", False
    steps, validations, replaced = dict[int, Step](), dict[int, Validation](), list[Step]()
    lines: list[Step | Validation | Saving] = []
    for number, row in _rows(path):
        if row is None:
            torn = True
            continue
        line = _line(row, f"{path}, line {number}")
        lines.append(line)
        if isinstance(line, Validation):
            validations[line.step] = line
        elif isinstance(line, Step):
            again = [old for old in steps if old >= line.step] if line.step <= next(reversed(steps), 0) else []
            if again:
                validations = {old: value for old, value in validations.items() if old < line.step}
            replaced += [steps.pop(old) for old in again]
            steps[line.step] = line
    if not steps:
        raise InputError("has no training step", where=path, fix="Give the directory of a run that has trained.")
    return RunLog(
        steps=tuple(steps.values()),
        validations=tuple(validations[step] for step in sorted(validations)),
        replaced=len(replaced),
        torn=torn,
        config=_read_config(Path(run) / "config.yaml"),
        wall_time=_wall_time(lines, replaced),
    )


def _wall_time(lines: Sequence[Step | Validation | Saving], replaced: Sequence[Step]) -> dict[str, float]:
    """Seconds of training, of steps done again, of starts, validations, checkpoints, and what is left."""
    trained = [line for line in lines if isinstance(line, Step)]
    first, last = (trained[0], lines[-1].time) if trained else (None, None)
    if first is None or first.time is None or last is None:
        return {}
    repeated = sum(step.seconds for step in replaced)
    parts = {
        "training": sum(step.seconds for step in trained) - repeated,
        "steps done again": repeated,
        "starts": sum(step.start_seconds or 0.0 for step in trained),
        "validation": sum(line.validation_seconds or 0.0 for line in lines if isinstance(line, Validation)),
        "checkpoints": sum(line.checkpoint_seconds for line in lines if isinstance(line, Saving)),
    }
    whole = last - first.time + first.seconds + (first.start_seconds or 0.0)
    return {**parts, "no process, or unknown": max(0.0, whole - sum(parts.values()))}


def _line(row: dict[str, Any], where: str) -> Step | Validation | Saving:
    if "validation_loss" in row:
        return Validation(**_checked(Validation, row, where))
    if "checkpoint_seconds" in row:
        return Saving(**_checked(Saving, row, where))
    return Step(**_checked(Step, row, where))


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Line numbers from 1 and objects; None for a last line without its end that does not parse."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=path, fix=_FIX) from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines) and not line.endswith(b"\n"):
                yield number, None
                return
            raise InputError(f"is not JSON ({error})", where=f"{path}, line {number}", fix=_FIX) from error
        if not isinstance(row, dict):
            raise InputError("is not a JSON object", where=f"{path}, line {number}", fix=_FIX)
        yield number, row


def _checked(kind: type, row: dict[str, Any], where: str) -> dict[str, Any]:
    """`row`, with the keys and types of the dataclass `kind`."""
    fields = _fields(kind)
    if unknown := sorted(row.keys() - fields.keys()):
        raise InputError(f"unknown key {unknown[0]!r}", where=where, fix=f"Known: {', '.join(fields)}.")
    row = {key: math.nan if value is None and key in _DIVERGE else value for key, value in row.items()}
    for key, (required, kinds) in fields.items():
        if key not in row and not required:
            continue
        if key not in row or isinstance(row[key], bool) or not isinstance(row[key], kinds):
            raise InputError(f"`{key}` is missing or not of its type", where=where, fix=_FIX)
    for key, least in (("step", 1), ("tokens", 1)):
        if row.get(key, least) < least:
            raise InputError(f"`{key}` is {row[key]}, at least {least} was expected", where=where, fix=_FIX)
    if not row.get("seconds", 1.0) > 0:
        raise InputError(f"`seconds` is {row['seconds']}, a duration was expected", where=where, fix=_FIX)
    return row


@functools.cache
def _fields(kind: type) -> dict[str, tuple[bool, tuple[type, ...]]]:
    """Whether a key has to be there, and its types; a float may be written as an integer."""
    found = {}
    for field in dataclasses.fields(kind):
        hint = typing.get_type_hints(kind)[field.name]
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kinds = tuple(typing.get_origin(option) or option for option in options)
        found[field.name] = (field.default is dataclasses.MISSING, (*kinds, int) if float in kinds else kinds)
    return found


def _read_config(path: Path) -> str:
    if not isinstance(read_yaml(path), dict):
        raise InputError("is not a mapping of settings", where=path, fix=_FIX)
    return read_text(path)


_DIVERGE = ("loss", "validation_loss")
_FIX = "Give a run directory as the trainer wrote it."
