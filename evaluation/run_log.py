"""What a training run wrote about itself: `metrics.jsonl`, one line a step, and `config.yaml`, the resolved config.

Training lines are `{"step", "loss", "learning_rate", "grad_norm", "tokens", "seconds"}`, validation lines
`{"step", "validation_loss"}`; steps count from 1, losses are nats a token.
"""

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conduct.errors import InputError
from conduct.untrusted import read_text, read_yaml


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimizer step. `tokens` in its global batch, `seconds` of wall time; a diverged `loss` may be NaN."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float | None
    tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Validation:
    """The validation loss after `step` optimizer steps, in nats a token."""

    step: int
    validation_loss: float


@dataclass(frozen=True, kw_only=True)
class RunLog:
    """A run's steps and validations, in order, without what a resumed run did again.

    `replaced` counts the training lines that a resumed run replaced, `torn` says that the last line was cut off (the
    run was killed while writing it), `config` is the text of `config.yaml`.
    """

    steps: tuple[Step, ...]
    validations: tuple[Validation, ...]
    replaced: int
    torn: bool
    config: str

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
    steps, validations, latest, replaced, torn = dict[int, Step](), dict[int, Validation](), 0, 0, False
    path = Path(run) / "metrics.jsonl"
    for number, row in _rows(path):
        if row is None:
            torn = True
        elif "validation_loss" in row:
            validation = Validation(**_values(_VALIDATION_FIELDS, row, path, number))
            validations[validation.step] = validation
        else:
            step = Step(**_values(_STEP_FIELDS, row, path, number))
            again = [old for old in steps if old >= step.step] if step.step <= latest else []
            if again:
                validations = {old: value for old, value in validations.items() if old < step.step}
            for old in again:
                del steps[old]
            latest = step.step
            steps[step.step] = step
            replaced += len(again)
    if not steps:
        raise InputError("has no training step", where=path, fix="Give the directory of a run that has trained.")
    return RunLog(
        steps=tuple(steps.values()),
        validations=tuple(validations[step] for step in sorted(validations)),
        replaced=replaced,
        torn=torn,
        config=_read_config(Path(run) / "config.yaml"),
    )


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


def _values(fields: dict[str, tuple[type, ...]], row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    where = f"{path}, line {number}"
    if unknown := sorted(row.keys() - fields.keys()):
        raise InputError(f"unknown key {unknown[0]!r}", where=where, fix=f"Known: {', '.join(fields)}.")
    for key, kinds in fields.items():
        if key not in row or isinstance(row[key], bool) or not isinstance(row[key], kinds):
            raise InputError(f"`{key}` is missing or not of its type", where=where, fix=_FIX)
    for key, least in (("step", 1), ("tokens", 1)):
        if row.get(key, least) < least:
            raise InputError(f"`{key}` is {row[key]}, at least {least} was expected", where=where, fix=_FIX)
    if not row.get("seconds", 1.0) > 0:
        raise InputError(f"`seconds` is {row['seconds']}, a duration was expected", where=where, fix=_FIX)
    return row


def _read_config(path: Path) -> str:
    if not isinstance(read_yaml(path), dict):
        raise InputError("is not a mapping of settings", where=path, fix=_FIX)
    return read_text(path)


_FIX = "Give a run directory as the trainer wrote it."
_NUMBER = (float, int)
_STEP_FIELDS: dict[str, tuple[type, ...]] = {
    "step": (int,),
    "loss": _NUMBER,
    "learning_rate": _NUMBER,
    "grad_norm": (float, int, type(None)),
    "tokens": (int,),
    "seconds": _NUMBER,
}
_VALIDATION_FIELDS: dict[str, tuple[type, ...]] = {"step": (int,), "validation_loss": _NUMBER}
