"""What evaluations found along training, for the report: of the live weights, and of the checkpoints by a watcher."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.report.figures import label_right
from evaluation.report.run_log import RunLog
from foundation.pages.figure import ACCENT, BAR, INK, canvas, to_svg

if TYPE_CHECKING:
    from markupsafe import Markup

LINES = "evaluations.jsonl"
"""In the directory that a watcher writes: a line per checkpoint, with `step` and the values by name."""
FOLDER = "evaluation"
"""Its default path in the run."""

_SHOWN = 8  # lines that can be distinguished in one figure

Curves = dict[str, dict[int, float]]
"""Values by name, each by step."""


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a log with one per line; a line that a kill cut off is left out. Nothing where there is no log."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


def curves_of(log: RunLog, run: Path) -> Curves:
    """All evaluations of this run. If live weights and a checkpoint have a value, the checkpoint's counts."""
    curves: Curves = {}
    found = [(one.step, one.evaluation) for one in log.evaluations]
    last = log.steps[-1].step
    for line in read_lines(run / FOLDER / LINES):
        step, values = line.get("step"), line.get("evaluation")
        same_run = log.lineage.run is None or line.get("run") in ("", None, log.lineage.run)
        if isinstance(step, int) and step <= last and isinstance(values, dict) and same_run:
            found.append((step, values))
    for step, values in found:
        for name, value in values.items():
            if isinstance(value, (int, float)):
                curves.setdefault(name, {})[step] = float(value)
    return curves


def curve_figures(curves: Curves) -> list["Markup"]:
    """A figure for each measure of a task; its distances or classes are lines."""
    groups: dict[str, list[str]] = {}
    for name in curves:
        groups.setdefault(re.sub(r"_\d+$", "", name), []).append(name)
    return [
        _figure(group, {name: curves[name] for name in names}, n) for n, (group, names) in enumerate(groups.items())
    ]


def _figure(group: str, curves: Mapping[str, Mapping[int, float]], number: int) -> "Markup":
    from markupsafe import Markup

    figure, axes = canvas(height=2.8)
    labels = []
    for index, (name, values) in enumerate(list(curves.items())[:_SHOWN]):
        steps, colour = sorted(values), ACCENT if index == 0 else BAR
        heights = [values[step] for step in steps]
        axes.plot(steps, heights, color=colour, linewidth=2, marker="o", markersize=4, clip_on=False)
        short = name.removeprefix(group).strip("_") or name.rpartition("/")[2]
        labels.append((heights[-1], f"{short} {heights[-1]:.3f}", ACCENT if index == 0 else INK))
    axes.set(xlabel="optimizer step", ylabel=group.rpartition("/")[2].replace("_", " "), xlim=(0, None))
    axes.locator_params(axis="x", integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(y=0.15)
    label_right(axes, labels)
    return Markup(to_svg(figure, f"evaluation{number}", f"{group.replace('_', ' ')} along training"))


def curve_rows(curves: Curves) -> Sequence[dict[str, str]]:
    """The first and the newest value of each."""
    rows = []
    for name, values in curves.items():
        first, last = min(values), max(values)
        rows.append({"name": name, "first": f"{values[first]:.4f}", "last": f"{values[last]:.4f}", "step": f"{last:,}"})
    return rows
