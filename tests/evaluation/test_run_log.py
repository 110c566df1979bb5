"""A run's log is read strictly, forgives a killed writer, and knows about a resume."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from evaluation.report.evaluations import curve_figures, curve_rows, curves_of
from evaluation.report.run_log import read_run_log
from training.metrics.clock import rows

WriteRun = Callable[..., Path]


def _line(step: int, **values: Any) -> str:
    line = {"step": step, "loss": 1.3, "learning_rate": 1e-3, "grad_norm": None, "tokens": 4096, "seconds": 2.0}
    return json.dumps({**line, **values}) + "\n"


def _lines(run: Path, *lines: str) -> Path:
    (run / "metrics.jsonl").write_text("".join(lines))
    return run


def test_a_run_is_read(write_run: WriteRun) -> None:
    log = read_run_log(write_run())
    assert [step.step for step in log.steps] == list(range(1, 41))
    assert [(point.step, point.validation_loss) for point in log.validations] == [(20, 1.35), (40, 1.35)]
    assert (log.tokens, log.seconds, log.tokens_per_second) == (40 * 4096, 80.0, 2048.0)
    assert (log.replaced, log.torn, log.config) == (0, False, "trainer:\n  max_steps: 40\n")


def test_a_resumed_run_replaces_what_it_did_again(write_run: WriteRun) -> None:
    first = [_line(step, loss=2.0) for step in (1, 2, 3, 4)] + ['{"step": 4, "validation_loss": 9.0}\n']
    log = read_run_log(_lines(write_run(), *first, _line(2, loss=1.0), _line(3, loss=1.0)))
    assert [(step.step, step.loss) for step in log.steps] == [(1, 2.0), (2, 1.0), (3, 1.0)]
    assert (log.validations, log.replaced) == ((), 3)


def test_a_line_cut_off_by_a_kill_is_tolerated_and_said(write_run: WriteRun) -> None:
    log = read_run_log(_lines(write_run(), _line(1), _line(2)[:20]))
    assert (len(log.steps), log.torn, log.damaged) == (1, True, 0)


def test_damaged_lines_are_left_out_and_counted(write_run: WriteRun) -> None:
    run = write_run()
    torn = _line(3)[:20]
    content = [_line(1), "{broken\n", "[1]\n", "\0" * 40 + _line(2), torn + _line(4), _line(5), torn]
    log = read_run_log(_lines(run, *content))
    assert [step.step for step in log.steps] == [1, 5]
    assert (log.damaged, log.torn) == (4, True)
    assert [row["step"] for row in rows(run / "metrics.jsonl")] == [1, 5]  # the run resumes with the same lines


def test_a_diverged_loss_is_kept(write_run: WriteRun) -> None:
    lines = [_line(1, loss=math.nan), _line(2, loss=None), '{"step": 2, "validation_loss": null}\n']
    log = read_run_log(_lines(write_run(), *lines))
    assert all(math.isnan(value) for value in (*(step.loss for step in log.steps), log.validations[0].validation_loss))


@pytest.mark.parametrize(
    ("line", "kind", "key"),
    [
        (_line(2, seconds=None), "wrong-type", ".seconds"),
        (_line(2).replace('"seconds"', '"time"'), "missing-value", ".seconds"),
        (_line(2, tokens=1.5), "wrong-type", ".tokens"),
        (_line(2, tokens=True), "wrong-type", ".tokens"),
        (_line(2, seconds=0), "not-positive", ".seconds"),
        (_line(2, tokens=0), "not-positive", ".tokens"),
        (_line(0), "not-positive", ".step"),
        ('{"step": 0, "validation_loss": 1.0}\n', "not-positive", ".step"),
        ('{"step": 0, "checkpoint_seconds": 1.0}\n', "not-positive", ".step"),
        (_line(2, surprise=1), "unknown-key", ""),
        ('{"step": 2, "validation_loss": "low"}\n', "wrong-type", ".validation_loss"),
        ('{"step": 2, "validation_loss": 1.0, "validation_loss_by_source": [1]}\n', "wrong-type", "_by_source"),
    ],
)
def test_a_broken_line_is_named(write_run: WriteRun, line: str, kind: str, key: str) -> None:
    with refused(kind, where=key) as error:
        read_run_log(_lines(write_run(), _line(1), line, _line(3)))
    assert "metrics.jsonl, line 2" in str(error.value.where)


def test_what_is_not_there_is_named(write_run: WriteRun, tmp_path: Path) -> None:
    with refused("cannot-be-read", where="metrics.jsonl"):
        read_run_log(tmp_path / "nothing")
    with refused("no-training-step", where="metrics.jsonl"):
        read_run_log(_lines(write_run(), ""))
    with refused("yaml-tag", where="config.yaml"):
        read_run_log(write_run("python", config="x: !!python/object/apply:os.system ['true']\n"))


def test_a_long_run_is_read_in_time_proportional_to_its_length(write_run: WriteRun) -> None:
    run = _lines(write_run(), *(_line(step) for step in range(1, 50_001)))
    started = time.perf_counter()
    assert len(read_run_log(run).steps) == 50_000
    assert time.perf_counter() - started < 20  # a quadratic reader takes minutes


def test_evaluations_are_read_and_replaced_like_steps(write_run: WriteRun) -> None:
    def line(step: int, value: float | None) -> str:
        found = {"evaluation": {"recall/accuracy_64": value}, "evaluation_seconds": 3.0, "evaluation_left_out": ["x"]}
        return json.dumps({"step": step, "time": 1000.0 + step, **found}) + "\n"

    steps = [_line(step, time=1000.0 + step) for step in (1, 2, 3)]
    run = write_run()
    log = read_run_log(_lines(run, steps[0], line(1, 0.25), steps[1], line(2, 0.5), steps[2], steps[1]))
    assert [(one.step, one.evaluation) for one in log.evaluations] == [(1, {"recall/accuracy_64": 0.25})]
    log = read_run_log(_lines(run, *steps, line(3, None)))
    assert log.wall_time["evaluation"] == 3.0
    with refused("wrong-type", where=".evaluation_left_out"):
        read_run_log(_lines(run, *steps, line(3, 0.1).replace('["x"]', '"x"')))


def test_the_report_draws_the_curves_of_its_run_alone(write_run: WriteRun) -> None:
    """Live weights and a watcher's checkpoints are one curve; steps beyond the log and other runs are not drawn."""
    run = write_run()
    content = (run / "metrics.jsonl").read_text()
    live = {"step": 20, "evaluation": {"recall/accuracy_64": 0.5}, "evaluation_seconds": 1.0, "evaluation_left_out": []}
    (run / "metrics.jsonl").write_text(content + json.dumps(live) + "\n")
    (run / "config.yaml").write_text("run_id: 00112233445566aa\n")
    (run / "evaluation").mkdir()
    rows_of = [(30, "00112233445566aa", 0.75), (35, "other", 0.1), (400, "", 0.1)]
    lines = [{"step": step, "run": name, "evaluation": {"recall/accuracy_64": value}} for step, name, value in rows_of]
    (run / "evaluation" / "evaluations.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines) + "{torn")
    curves = curves_of(read_run_log(run), run)
    assert curves == {"recall/accuracy_64": {20: 0.5, 30: 0.75}}
    assert curve_rows(curves) == [{"name": "recall/accuracy_64", "first": "0.5000", "last": "0.7500", "step": "30"}]
    (figure,) = curve_figures(curves)
    assert "64 0.750" in figure
