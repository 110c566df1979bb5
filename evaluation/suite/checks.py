"""What can be known to be wrong with a suite, or with a model for it, before any model is loaded."""

from pathlib import Path

from evaluation.likelihood.model import check_language_model
from evaluation.likelihood.scoring import STRANDS
from evaluation.prediction.predicting import check_predictor
from evaluation.probing.datasets import read_task
from evaluation.probing.probe import HEADS
from evaluation.suite.config import Suite, Task, sources, tasks
from evaluation.suite.recall import check_distances
from foundation.errors import InputError

_COUNTS = ("context_length", "stride", "window", "downstream", "grid", "seeds", "samples")
_MOST = 1_000_000_000
_FIX = "See configs/evaluation/demo.yaml."


def check_suite(suite: Suite, path: Path) -> None:
    """What can be known to be wrong with the suite of file `path` before a model is loaded. Errors: `InputError`."""
    _check_numbers(suite, path)
    for task in tasks(suite):
        for needed in sources(task):
            if not needed.exists():
                raise InputError(
                    f"{needed} does not exist", where=where(path, task), fix="Check the path.", kind="missing-source"
                )
    for recall in suite.recall:
        check_distances(list(recall.distances), where=where(path, recall))
    for probe in suite.probes:
        if strange := set(probe.heads) - set(HEADS):
            raise InputError(
                f"no head {min(strange)!r}",
                where=where(path, probe),
                fix=f"Known: {', '.join(HEADS)}.",
                kind="unknown-head",
            )
        if probe.pooling not in ("mean", "last", "max"):
            problem = f"no pooling {probe.pooling!r}"
            raise InputError(problem, where=where(path, probe), fix="Known: mean, last, max.", kind="unknown-pooling")
        read_task(Path(probe.directory))
    for variant in suite.variants:
        if variant.strand not in STRANDS:
            problem = f"no strand {variant.strand!r}"
            raise InputError(
                problem, where=where(path, variant), fix=f"Known: {', '.join(STRANDS)}.", kind="unknown-strand"
            )


def check_kind(suite: Suite, model: Path) -> None:
    """That `model` has what the tasks ask: an output layer, or a head. Errors: `InputError`."""
    if suite.likelihood or suite.recall or suite.variants:
        check_language_model(model)
    for task in suite.labels:
        check_predictor(model, calibrated=task.calibrated)


def _check_numbers(suite: Suite, path: Path) -> None:
    counts = [(str(path), "batch_size", suite.batch_size)]
    counts += [
        (where(path, task), key, value)
        for task in tasks(suite)
        for key in _COUNTS
        if (value := getattr(task, key, None)) is not None
    ]
    for named, key, value in counts:
        if not 1 <= value <= _MOST:
            raise InputError(f"{key} {value} is outside [1, {_MOST:,}]", where=named, fix=_FIX, kind="suite-number")
    for task in suite.recall:
        if task.seed < 0:
            raise InputError(f"seed {task.seed} is below 0", where=where(path, task), fix=_FIX, kind="suite-number")


def where(path: Path, task: Task) -> str:
    """How an error names `task` of the suite in file `path`."""
    return f"{path}, task {task.name!r}"
