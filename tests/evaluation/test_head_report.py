"""The page of a run with a head: its measures, the baselines beside them, and what such a run has no page of."""

from collections.abc import Callable
from pathlib import Path

import pytest
from refusal import refused
from typer.testing import CliRunner

from evaluation.report.report import build_head_report
from genomic_llama.cli.main import app

pytestmark = pytest.mark.fast

WriteRun = Callable[..., Path]


def test_measures_stand_beside_baselines(write_head_run: WriteRun, tmp_path: Path) -> None:
    """The newest value against the best baseline; the best value, and the step that it was at."""
    result = CliRunner().invoke(app, ["report", str(write_head_run()), "--out", str(tmp_path / "report.html")])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report.html").read_text("utf-8")
    for expected in (
        "Validation AUROC", ">0.7000<", "the best is 0.8000, at step 10", "+0.0750", "6-mers, has 0.6250",
        "One class per sequence (label, from table.csv)", "Fine-tuned from the weights of base",
        "model 0.700", "6-mers 0.625",
    ):  # fmt: skip
        assert expected in page, expected
    rows = [row.split("</tr>")[0] for row in page.split("<tr")[1:]]
    (accuracy,) = [row for row in rows if ">accuracy<" in row]
    assert [cell.split("<")[0] for cell in accuracy.split(">") if cell[:1].isdigit()] == [
        "0.7000", "0.7000", "20", "0.5500", "0.5700",
    ]  # fmt: skip
    assert page.count("<svg") == 2


def test_a_measure_that_a_run_stops_by_is_shown_first(write_head_run: WriteRun, tmp_path: Path) -> None:
    config = "head:\n  kind: classify\n  train: t\n  labels: [label]\n  stop_metric: accuracy\n"
    build_head_report(write_head_run(config=config), tmp_path / "report.html")
    assert "Validation accuracy" in (tmp_path / "report.html").read_text("utf-8")


def test_runs_without_such_a_page(write_run: WriteRun, write_head_run: WriteRun, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    with refused("run-without-head", where="run", fix="--score"):
        build_head_report(write_run(), out)
    with refused("no-validation", where="head", fix="validate_every"):
        build_head_report(write_head_run(validations=0), out)
    assert not out.exists()
    result = CliRunner().invoke(app, ["report", str(tmp_path / "head"), "--out", str(out), "--corpus", str(tmp_path)])
    assert result.exit_code != 0
