"""Figures of an evaluation: recall against distance, and metrics over training. Inline SVG in the page's colours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.figures import label_right
from evaluation.suite.compare import Row, by_training
from evaluation.suite.result import Evaluation
from pages.figure import ACCENT, BAR, INK, MUTED, canvas, to_svg

if TYPE_CHECKING:
    from markupsafe import Markup

_SHOWN = 8  # lines that can be told apart in one figure
_LETTERS = 16  # of a name beside it


def recall_curve(rows: Sequence[Row], names: Sequence[str]) -> "Markup":
    """Bits per base of the second copy against the distance, a line a model; the last model's is the coloured one."""
    from markupsafe import Markup

    mine = [row for row in rows if row.metric.metric == "bits per base"]
    distances = [int(row.metric.part.split()[0]) for row in mine]
    figure, axes = canvas(height=3.4)
    axes.axhline(2.0, color=MUTED, linewidth=1, dashes=(4, 3))
    labels = [(2.0, "chance 2.000", MUTED)]
    first = max(0, len(names) - _SHOWN)
    for column in range(first, len(names)):
        points = [(x, row.values[column]) for x, row in zip(distances, mine, strict=True)]
        xs, ys = zip(*[(x, one.value) for x, one in points if one is not None], strict=True)
        colour = ACCENT if column == len(names) - 1 else BAR
        axes.plot(xs, ys, color=colour, linewidth=2, marker="o", markersize=5)
        labels.append((ys[-1], f"{_cut(names[column])} {ys[-1]:.3f}", ACCENT if colour is ACCENT else INK))
    axes.set_xscale("log", base=2)
    axes.set_xticks(distances, [f"{distance:,}" for distance in distances])
    axes.minorticks_off()
    axes.set(xlabel="bases between the copies", ylabel="bits per base")
    axes.margins(y=0.15)
    label_right(axes, labels)
    return Markup(to_svg(figure, "recall", "Bits per base of a repeated needle against its distance"))


def metric_curve(rows: Sequence[Row], evaluations: Sequence[Evaluation]) -> "Markup":
    """One metric of several tasks along training, with each task's baseline dashed."""
    from markupsafe import Markup

    places = by_training(evaluations)
    order = [next(i for i, one in enumerate(evaluations) if one is evaluation) for _, evaluation in places]
    figure, axes = canvas(height=3.4)
    labels = []
    for index, row in enumerate(rows[:_SHOWN]):
        points = [(x, row.values[column]) for (x, _), column in zip(places, order, strict=True)]
        xs, ys = zip(*[(x, one.value) for x, one in points if one is not None], strict=True)
        axes.plot(xs, ys, color=ACCENT if index == 0 else BAR, linewidth=2, marker="o", markersize=5)
        name = f"{row.metric.name} {row.metric.part}".strip()
        labels.append((ys[-1], f"{_cut(name)} {ys[-1]:.3f}", ACCENT if index == 0 else INK))
        if row.metric.baseline is not None:
            axes.axhline(row.metric.baseline, color=MUTED, linewidth=1, dashes=(4, 3))
            labels.append((row.metric.baseline, f"{row.metric.baseline_name} {row.metric.baseline:.3f}", MUTED))
    steps = [one.step for _, one in places] == [x for x, _ in places]
    axes.set(xlabel="optimizer step" if steps else "model", ylabel=rows[0].metric.metric)
    axes.set_xticks([x for x, _ in places], [f"{x:,.0f}" for x, _ in places])
    axes.margins(y=0.15)
    label_right(axes, labels)
    metric = rows[0].metric
    name = f"{metric.kind}-{metric.metric}".replace(" ", "-").lower()
    return Markup(to_svg(figure, name, f"{metric.metric} of {metric.kind} along training"))


def _cut(name: str) -> str:
    """A name that fits beside a figure."""
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
