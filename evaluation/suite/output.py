"""A directory of evaluations: a JSON file a model, and the page that compares them."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.baselines.baseline import UNIFORM_BITS
from evaluation.suite.compare import DAGGER, FOREIGN, Row, compare, in_order, labels
from evaluation.suite.figures import metric_figures, recall_curve
from evaluation.suite.recall import NEEDLE
from evaluation.suite.records import record_tables
from evaluation.suite.result import Evaluation, Metric, read_evaluation
from foundation.pages.page import render_page, write_texts
from foundation.pages.quantities import duration, exact, plural, short

_WIDE = 6  # models beside one another, so that the best may be out of sight
_TEMPLATE = Path(__file__).parent / "templates" / "evaluation.html.j2"

TITLES = {
    "likelihood": ("Likelihood", "Bits per base of held-out sequence; lower is better, and "
                   f"{UNIFORM_BITS:g} is a uniform guess."),
    "recall": ("Recall", f"A needle of {NEEDLE} random bases comes again: what the second copy costs, and how much of "
               f"it is guessed. {UNIFORM_BITS:g} bits and a quarter are chance: the model does not look that far "
               "back."),
    "variants": ("Variants", "How well minus the change of log-likelihood tells labelled variants apart, with 95% "
                 "bootstrap intervals; the chance of AUPRC is the share of positives."),
    "probe": ("Probes", "Heads on frozen embeddings, on the test set; mean over seeds, with one standard deviation "
              "either way. The baseline is a linear head on counts of k-mers."),
    "labels": ("Labels", "Predictions of models with a head on labelled sequences; higher is better. The baseline "
               "needs no model: the commonest label or the mean, or counts of k-mers."),
}  # fmt: skip


def result_path(directory: Path, model: Path) -> Path:
    """The file of a model in `directory`: named after the last two parts of its path, wherever that was given from."""
    parts = Path(os.path.abspath(model)).parts[1:][-2:]
    return directory / f"{re.sub(r'[^A-Za-z0-9._=-]', '_', '-'.join(parts) or 'model')}.json"


def read_directory(directory: Path, models: Sequence[Path] = ()) -> list[Evaluation]:
    """Every evaluation in `directory`, those of `models` last and in that order, a run's checkpoints along training.

    Errors: `InputError` for other files.
    """
    found = [read_evaluation(path) for path in sorted(directory.glob("*.json"))]
    return in_order(found, [str(model) for model in models])


def write_comparison(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write the comparison as one self-contained HTML page."""
    rows, names = compare(evaluations), labels(evaluations)
    shown = [kind for kind in TITLES if any(row.metric.kind == kind for row in rows)]
    foreign = FOREIGN if any(row.foreign for row in rows) else ""
    values = {
        "title": evaluations[0].suite,
        "answer": _answer(rows, names),
        "subtitle": plural(len(evaluations), "model") + (" of several suites" if foreign else " on one suite"),
        "names": names,
        "wide": len(names) > _WIDE,
        "foreign": foreign,
        "tiles": _tiles(evaluations, rows),
        "sections": [_section(kind, rows, evaluations, names) for kind in shown],
        "models": [_model(name, one) for name, one in zip(names, evaluations, strict=True)],
    }
    write_texts({path: render_page(_TEMPLATE, values)})


def _answer(rows: list[Row], names: list[str]) -> str:
    """What the page says, in one sentence."""
    won = f"{_won(rows)} of {plural(len(rows), 'metric')}"
    if len(names) == 1:
        return f"{names[0]} beats its baseline in {won}."
    likelihood = next((row for row in rows if row.metric.kind == "likelihood" and row.marked), None)
    best = likelihood.compared[likelihood.marked[0]] if likelihood else None
    if likelihood is None or best is None:
        return f"The best of {len(names)} models beats the baseline in {won}."
    fewest = f"{names[likelihood.marked[0]]} needs the fewest bits per base ({best.value:.3f})"
    return f"The best of {len(names)} models beats the baseline in {won}; {fewest}."


def _won(rows: list[Row]) -> int:
    """The metrics in which any model beats the baseline."""
    return sum(any(value is not None and beats(value) for value in row.compared) for row in rows)


def _section(kind: str, rows: list[Row], evaluations: Sequence[Evaluation], names: list[str]) -> dict[str, Any]:
    mine = [row for row in rows if row.metric.kind == kind]
    title, note = TITLES[kind]
    if kind == "recall":
        bits = [row for row in mine if row.metric.metric == "bits per base"]
        tasks = dict.fromkeys(row.metric.name for row in bits)
        parts = [[row for row in bits if row.metric.name == task] for task in tasks]
        figures = [recall_curve(part, names, number=number) for number, part in enumerate(parts)]
    else:
        figures = [figure for group in _groups(mine) for figure in metric_figures(group, evaluations)]
    records = record_tables(evaluations) if kind == "likelihood" else []
    table = [_table_row(row, names) for row in mine]
    return {"title": title, "note": note, "figures": figures, "rows": table, "records": records}


def _groups(rows: list[Row]) -> list[list[Row]]:
    """Rows that belong into one figure: the same metric of a kind."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if not row.metric.part or row.metric.kind == "probe":
            groups.setdefault(row.metric.metric, []).append(row)
    return list(groups.values())


def _table_row(row: Row, names: list[str]) -> dict[str, Any]:
    one, best = row.metric, [row.values[index] for index in row.marked[:1]]
    return {
        "name": one.name,
        "part": one.part,
        "metric": one.metric,
        "baseline": "" if one.baseline is None else f"{one.baseline:.3f}",
        "baseline_name": one.baseline_name,
        "count": exact(one.count),
        "best": f"{best[0].value:.3f}" if best and best[0] else "",
        "best_names": ", ".join(names[index] for index in row.marked),
        "cells": [
            _cell(value, index in row.marked, DAGGER if index in row.foreign else "")
            for index, value in enumerate(row.values)
        ],
    }


def _cell(value: Metric | None, best: bool, mark: str) -> dict[str, Any]:
    if value is None:
        return {"value": "none", "interval": "", "best": False, "mood": ""}
    interval = "" if value.low is None or value.high is None else f"{value.low:.3f} to {value.high:.3f}"
    return {
        "value": f"{value.value:.3f}{mark}",
        "interval": interval,
        "best": best,
        "mood": "" if beats(value) else "bad",
    }


def beats(metric: Metric) -> bool:
    """True where the value is better than the baseline, or there is none."""
    if metric.baseline is None:
        return True
    return metric.value < metric.baseline if metric.better == "lower" else metric.value > metric.baseline


def _tiles(evaluations: Sequence[Evaluation], rows: list[Row]) -> list[dict[str, str]]:
    tiles = [
        {
            "label": "Better than their baseline",
            "value": f"{_won(rows)} of {len(rows)}",
            "note": "metrics, by the best model",
        },
        {
            "label": "Models",
            "value": str(len(evaluations)),
            "note": f"largest {short(max(e.parameters for e in evaluations))} parameters",
        },
        {"label": "Time", "value": duration(sum(e.seconds for e in evaluations)), "note": "of all models together"},
    ]
    likelihood = next((row for row in rows if row.metric.kind == "likelihood"), None)
    if likelihood:
        best = likelihood.values[likelihood.best[0]]
        assert best is not None
        note = best.name if best.baseline is None else f"{best.name}; {best.baseline_name} {best.baseline:.3f}"
        tiles.insert(0, {"label": "Bits per base", "value": f"{best.value:.3f}", "note": note})
    return tiles


def _model(name: str, one: Evaluation) -> dict[str, str]:
    versions = ", ".join(f"{package} {number}" for package, number in one.versions.items())
    step = "unknown" if one.step is None else exact(one.step)
    return {"name": name, "path": one.model, "step": step, "parameters": exact(one.parameters), "dtype": one.dtype,
            "created": one.created, "versions": versions}  # fmt: skip
