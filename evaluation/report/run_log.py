"""What a training run wrote about itself: `metrics.jsonl`, one line a step, and `config.yaml`, the resolved config.

There are lines of training, of validation and of checkpoints; docs/training.md says what is in them. Steps count from
1, losses are nats per token. What a line does not have is None.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.report.lineage import Lineage, lineage
from foundation.errors import InputError
from foundation.metrics_log import NAME, MetricsLog, read_metrics, take_repeated
from foundation.typed import from_settings
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
    samples_per_second: float | None = None
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A validation after `step` optimizer steps: loss in nats per token, bits per base, and both of each source.

    Of a head: `validation`, its measures; `baselines`, those of what needs no model; and its `calibration`.
    """

    step: int
    validation_loss: float
    validation_bits_per_base: float | None = None
    validation_loss_by_source: dict[str, float | None] | None = None
    validation_bits_per_base_by_source: dict[str, float | None] | None = None
    validation_seconds: float | None = None
    validation: dict[str, float] | None = None
    baselines: dict[str, dict[str, float]] | None = None
    calibration: dict[str, list[float]] | None = None
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class Saving:
    """How long training waited for the checkpoint of `step`."""

    step: int
    checkpoint_seconds: float
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class LiveEvaluation:
    """Metrics of the weights after `step`, by name, and the tasks left out for lack of time."""

    step: int
    evaluation: dict[str, float | None]
    evaluation_seconds: float
    evaluation_left_out: list[str]
    time: float | None = None


Line = Step | Validation | Saving | LiveEvaluation
_KINDS: dict[str, type[Line]] = {
    "validation_loss": Validation,
    "checkpoint_seconds": Saving,
    "evaluation": LiveEvaluation,
}
"""By a key that each has alone; what has none of them is a step."""


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
    evaluations: tuple[LiveEvaluation, ...] = ()

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

    If a step appears twice, the run was resumed before it: the later line wins, and the lines of the first attempt from
    that step on are dropped. A line that does not parse is left out, as the run itself does when it resumes.
    Errors: `InputError` naming the file, and the line where a key is missing, unknown or of another type.
    """
    path = Path(run) / NAME
    log = _read_metrics(path)
    lines = [_line(row, f"{path}, line {number}") for number, row in log.rows]
    steps, validations, replaced = dict[int, Step](), dict[int, Validation](), list[Step]()
    evaluations = dict[int, LiveEvaluation]()
    for line in lines:
        if isinstance(line, Validation):
            validations[line.step] = line
        elif isinstance(line, LiveEvaluation):
            evaluations[line.step] = line
        elif isinstance(line, Step):
            if again := take_repeated(steps, line.step):
                validations = {old: value for old, value in validations.items() if old < line.step}
                evaluations = {old: value for old, value in evaluations.items() if old < line.step}
            replaced += again
            steps[line.step] = line
    if not steps:
        raise InputError(
            "has no training step",
            where=path,
            fix="Give the directory of a run that has trained.",
            kind="no-training-step",
        )
    config, settings = _read_config(Path(run) / "config.yaml")
    return RunLog(
        steps=tuple(steps.values()),
        validations=tuple(validations[step] for step in sorted(validations)),
        replaced=len(replaced),
        damaged=log.damaged,
        torn=log.torn,
        config=config,
        lineage=lineage(settings),
        wall_time=_wall_time(lines, replaced),
        evaluations=tuple(evaluations[step] for step in sorted(evaluations)),
    )


def _wall_time(lines: Sequence[Line], replaced: Sequence[Step]) -> dict[str, float]:
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
    if evaluations := [line for line in lines if isinstance(line, LiveEvaluation)]:
        parts["evaluation"] = sum(line.evaluation_seconds for line in evaluations)
    whole = last - first.time + first.seconds + (first.start_seconds or 0.0)
    return {**parts, "no process, or unknown": max(0.0, whole - sum(parts.values()))}


def _read_metrics(path: Path) -> MetricsLog:
    try:
        return read_metrics(path)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=path, fix=_FIX, kind="cannot-be-read") from error


def _line(row: dict[str, Any], where: str) -> Line:
    row |= {key: math.nan for key in ("loss", "validation_loss") if row.get(key, 0.0) is None}
    kind = next((kind for key, kind in _KINDS.items() if key in row), Step)
    line = from_settings(kind, row, where, fix=_FIX)
    for key in ("step", "tokens", "seconds"):
        if not (value := getattr(line, key, 1)) > 0:
            raise InputError(f"is {value}, not above 0", where=f"{where}.{key}", fix=_FIX, kind="not-positive")
    return line


def _read_config(path: Path) -> tuple[str, dict[str, Any]]:
    """The text and its values."""
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        raise InputError("is not a mapping of settings", where=path, fix=_FIX, kind="not-a-mapping")
    return read_text(path), settings


_FIX = "Give a run directory as the trainer wrote it."
