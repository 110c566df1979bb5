"""`evaluate --watch RUN`: each new checkpoint of a run is converted, evaluated on a suite, and appended to a log.

OUT/RUN-step=N.json   the result of a checkpoint, as `evaluate` writes it
OUT/evaluations.jsonl a line per checkpoint: `step`, and the values by name; the report of the run draws them
OUT/tensorboard       the same for TensorBoard; and a run of its own in Weights & Biases, where the run logs there
OUT/.converted        the model that is evaluated now
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from conversion.convert import convert
from evaluation.digest import versions
from evaluation.report.evaluations import LINES, read_lines
from evaluation.suite.checks import check_suite
from evaluation.suite.config import KINDS, RecallTask, Suite, read_suite, tasks
from evaluation.suite.jobs import protocol_of
from evaluation.suite.output import result_path
from evaluation.suite.request import EvaluateRequest, compare_all
from evaluation.suite.result import Evaluation, Metric, read_evaluation, write_evaluation
from evaluation.suite.runner import evaluate_models
from evaluation.watching.run import Sealed, has_ended, is_there, sealed_checkpoints
from evaluation.watching.trackers import Trackers
from foundation.atomic import check_writable
from foundation.errors import InputError
from foundation.json_lines import append_line
from foundation.metrics_log import NAME as METRICS
from foundation.terminal import warn

_CONVERTED = ".converted"


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is watched, and how. `poll`: seconds between two looks; `once`: evaluate what is there, and leave.

    `idle`: seconds without a new checkpoint after which it ends; None: when the run ends.
    """

    run: Path
    suite: Path
    out: Path
    dtype: str
    poll: float = 30.0
    once: bool = False
    idle: float | None = None


def watch(what: Watch, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Evaluate the run's checkpoints as they come; returns how many were evaluated. Errors: `InputError`."""
    suite = _check(what)
    trackers, count, since = Trackers(what.run, what.out), 0, time.monotonic()
    try:
        while True:
            ended = has_ended(what.run)  # asked first: a checkpoint that is sealed after it is found below
            for checkpoint in sealed_checkpoints(what.run):
                if is_evaluated(what, suite, checkpoint):
                    _append(what, checkpoint, trackers)
                elif _evaluate(what, suite, checkpoint):
                    _append(what, checkpoint, trackers)
                    count, since = count + 1, time.monotonic()
            if ended:
                warn(f"{what.run}: no more checkpoints, since {ended}")
            idle = what.idle is not None and time.monotonic() - since >= what.idle
            if ended or idle or what.once:
                return count
            sleep(what.poll)
    finally:
        trackers.close()
        shutil.rmtree(what.out / _CONVERTED, ignore_errors=True)


def _check(what: Watch) -> Suite:
    """The suite. Errors: `InputError` for a run, suite or output that cannot be used, before anything is waited for."""
    if not what.run.is_dir():
        fix = "Give the run_dir of a training run, which its first step makes."
        raise InputError("no such directory", where=what.run, fix=fix, kind="no-such-directory")
    if not any((what.run / name).exists() for name in ("config.yaml", "checkpoints", METRICS)):
        fix = "Give its run_dir. A run that has just been started writes config.yaml first."
        problem = "is not a training run: no config.yaml, no checkpoints"
        raise InputError(problem, where=what.run, fix=fix, kind="not-a-run")
    suite = read_suite(what.suite)
    check_suite(suite, what.suite)
    check_writable(what.out / "index.html", given=what.out)
    EvaluateRequest(models=(), suite=what.suite, out=what.out, dtype=what.dtype).check()
    return suite


def _result(what: Watch, checkpoint: Sealed) -> Path:
    return result_path(what.out, what.run / checkpoint.path.name)


def is_evaluated(what: Watch, suite: Suite, checkpoint: Sealed) -> bool:
    """Whether an earlier watch has every task of the suite for this checkpoint, with this software and number format.

    Errors: `InputError` for a result of the same name that is of another run.
    """
    path = _result(what, checkpoint)
    if not path.is_file():
        return False
    found = read_evaluation(path)
    if found.run != (checkpoint.run or found.run):
        fix = "Choose another --out for this run, or remove the file."
        raise InputError("holds a result of another run", where=path, fix=fix, kind="results-of-another-run")
    done = {task.protocol for task in found.tasks}
    same = found.dtype == what.dtype and found.versions == versions()
    return same and all(protocol_of(task) in done for task in tasks(suite))


def _evaluate(what: Watch, suite: Suite, checkpoint: Sealed) -> bool:
    """True where there is a result; False where the run removed the checkpoint while it was read."""
    warn(f"evaluating {checkpoint.path}")
    model = what.out / _CONVERTED / what.run.resolve().name / checkpoint.path.name
    shutil.rmtree(what.out / _CONVERTED, ignore_errors=True)  # of a watch that was killed
    try:
        model.parent.mkdir(parents=True)
        convert(checkpoint.path, model, to="hf")
    except (InputError, OSError):
        if is_there(checkpoint.path):
            raise
        warn(f"{checkpoint.path} was removed by the run before it was read, and is left out: keep more checkpoints")
        return False
    EvaluateRequest(models=(model,), suite=what.suite, out=what.out, dtype=what.dtype).check()
    evaluate_models([model], suite, what.suite, what.out, what.dtype)
    path = _result(what, checkpoint)
    write_evaluation(replace(read_evaluation(path), model=str(checkpoint.path)), path)
    shutil.rmtree(what.out / _CONVERTED, ignore_errors=True)
    compare_all(what.out)
    return True


def _append(what: Watch, checkpoint: Sealed, trackers: Trackers) -> None:
    """Add the line of a checkpoint, unless the log has this very one: a watch may have been killed before it did."""
    values = curve_values(read_evaluation(_result(what, checkpoint)))
    lines = [line for line in read_lines(what.out / LINES) if line.get("step") == checkpoint.step]
    if not lines or lines[-1].get("evaluation") != values:
        append_line(what.out / LINES, {"step": checkpoint.step, "run": checkpoint.run, "evaluation": values})
        trackers.log(checkpoint.step, values)


def curve_values(evaluation: Evaluation) -> dict[str, float]:
    """The metrics of a result by the names that curves have."""
    return {curve_name(metric): metric.value for metric in evaluation.metrics}


def curve_name(metric: Metric) -> str:
    """The name of a metric's curve, `recall/accuracy_128`: the same for live weights and for checkpoints."""
    part = metric.part.split()[0] if metric.kind == KINDS[RecallTask] else metric.part
    return f"{metric.name}/{metric.metric.lower().replace(' ', '_')}" + (f"_{part}" if part else "")
