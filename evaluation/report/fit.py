"""Whether a score is of the run that a report is about: by the run, the step and the size of its model."""

from pathlib import Path

from evaluation.likelihood.score import Score
from evaluation.report.run_log import RunLog
from foundation.errors import InputError
from foundation.pages.quantities import exact


def check_fit(score: Score, score_file: Path, log: RunLog, run: Path) -> str:
    """Refuse a score of another run. Returns what could not be determined, as a sentence; "" where they fit.

    Errors: `InputError` naming the score file.
    """
    model, known = score.identity, log.lineage
    if model.run and known.run and model.run != known.run:
        raise InputError(
            f"scores a model of run {model.run}, but {run} is run {known.run}",
            where=score_file,
            fix="Convert a checkpoint of this run and score that, or report on the other run.",
            kind="score-of-another-run",
        )
    if known.parameters and known.parameters != score.parameters:
        raise InputError(
            f"scores a model of {exact(score.parameters)} parameters, but {run} trained {exact(known.parameters)}",
            where=score_file,
            fix="Convert a checkpoint of this run and score that.",
            kind="score-of-another-model",
        )
    last = log.steps[-1].step
    if model.step is not None and model.step > last:
        raise InputError(
            f"scores step {exact(model.step)}, but the log of {run} ends at step {exact(last)}",
            where=score_file,
            fix="Give the run from which the model was exported.",
            kind="score-after-the-log",
        )
    if model.run and known.run:
        return ""
    since = "the model was exported" if known.run else "the run was trained"
    return f"Nothing proves that the scored model comes from this run: {since} by an older version, or elsewhere."
