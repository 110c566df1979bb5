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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.report.lineage import Lineage, lineage
from foundation.errors import InputError
from foundation.untrusted import read_text, read_yaml


@dataclass(frozen=True, kw_only=True)
class Step:
    """One logged step. `tokens` and `seconds` since the one before; a `loss` that was not finite is NaN.

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

    `replaced` counts the training lines that a resumed run replaced, `damaged` those that do not parse and are left
    out, as a power cut leaves them; `torn` says that the last line was cut off (the run was killed while writing it).
    `config` is the text of `config.yaml`, `lineage` what it says of the run itself. `wall_time`: seconds by what they
    went into, since the run first began; empty for logs without times.
    """

    steps: tuple[Step, ...]
    validations: tuple[Validation, ...]
    replaced: int
    damaged: int
    torn: bool
    config: str
    lineage: Lineage
    wall_time: Mapping[str, float]

    def until(self, step: int | None) -> "RunLog":
        """The run up to `step`; all of it where that is not known."""
        if step is None or not (steps := tuple(one for one in self.steps if one.step <= step)):
            return self
        return dataclasses.replace(self, steps=steps)

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
    that step on is dropped. A line that does not parse is left out, as the run itself does when it goes on.
    Errors: `InputError` naming the file, and the line where a key is missing, unknown or of another type.
    """
    path = Path(run) / "metrics.jsonl"
    texts = _read_lines(path)
    rows = [_parse(text) for text in texts]
    torn = bool(rows) and rows[-1] is None and not texts[-1].endswith(b"\n")
    lines = [_line(row, f"{path}, line {number}") for number, row in enumerate(rows, start=1) if row is not None]
    steps, validations, replaced = dict[int, Step](), dict[int, Validation](), list[Step]()
    for line in lines:
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
    config, settings = _read_config(Path(run) / "config.yaml")
    return RunLog(
        steps=tuple(steps.values()),
        validations=tuple(validations[step] for step in sorted(validations)),
        replaced=len(replaced),
        damaged=rows.count(None) - torn,
        torn=torn,
        config=config,
        lineage=lineage(settings),
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


def _read_lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=path, fix=_FIX) from error


def _parse(text: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _line(row: dict[str, Any], where: str) -> Step | Validation | Saving:
    row |= {key: math.nan for key in ("loss", "validation_loss") if row.get(key, 0.0) is None}
    if "validation_loss" in row:
        return Validation(**_checked(Validation, row, where))
    if "checkpoint_seconds" in row:
        return Saving(**_checked(Saving, row, where))
    return Step(**_checked(Step, row, where))


def _checked(kind: type, row: dict[str, Any], where: str) -> dict[str, Any]:
    """`row`, with the keys and types of the dataclass `kind`."""
    fields = _fields(kind)
    if unknown := sorted(row.keys() - fields.keys()):
        raise InputError(f"unknown key {unknown[0]!r}", where=where, fix=f"Known: {', '.join(fields)}.")
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


def _read_config(path: Path) -> tuple[str, dict[str, Any]]:
    """The text and its values."""
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        raise InputError("is not a mapping of settings", where=path, fix=_FIX)
    return read_text(path), settings


_FIX = "Give a run directory as the trainer wrote it."
