"""Figures of an evaluation: recall against distance, metrics along training, and models side by side.

Inline SVG in the page's colours, with the interval of each value that has one.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from evaluation.baselines.baseline import UNIFORM_BITS
from evaluation.report.figures import label_right
from evaluation.suite.compare import Row, runs_of
from evaluation.suite.compare import labels as labels_of
from evaluation.suite.result import Evaluation, Metric
from foundation.pages.figure import ACCENT, BAR, INK, MUTED, canvas, to_svg
from foundation.pages.quantities import bits
from foundation.terminal import printable

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

_SHOWN = 8  # lines that can be distinguished in one figure
_LETTERS = 13  # of a name beside it
_TICKS = 9  # that do not touch
_NAMED = 6  # names that do not

Points = list[tuple[float, Metric]]


def recall_curve(rows: Sequence[Row], names: Sequence[str], *, number: int = 0) -> "Markup":
    """Bits per base of the second copy against the distance, one line per model; the last model's is the coloured one.

    `number`: of the figure on its page.
    """
    from markupsafe import Markup

    distances = [int(row.metric.part.split()[0]) for row in rows]
    figure, axes = canvas(height=3.4)
    axes.axhline(UNIFORM_BITS, color=MUTED, linewidth=1, dashes=(4, 3))
    labels = [(UNIFORM_BITS, f"chance {bits(UNIFORM_BITS)}", MUTED)]
    measured = [column for column in range(len(names)) if any(row.compared[column] for row in rows)][-_SHOWN:]
    for column in measured:
        points = [(float(x), one) for x, row in zip(distances, rows, strict=True) if (one := row.compared[column])]
        labels.append(_draw(axes, points, names[column], first=column == measured[-1], joined=True))
    axes.set_xscale("log", base=2)
    axes.set_xticks(distances, [f"{distance:,}" for distance in distances])
    axes.minorticks_off()
    axes.set(xlabel="bases between the copies", ylabel="bits per base")
    axes.margins(y=0.15)
    label_right(axes, labels)
    return Markup(to_svg(figure, f"recall{number}", "Bits per base of a repeated needle against its distance"))


def metric_figures(rows: Sequence[Row], evaluations: Sequence[Evaluation]) -> Iterator["Markup"]:
    """One metric of several tasks: a curve along training for the runs, and points for the models that are of none."""
    runs = runs_of(evaluations)
    if runs:
        yield _curve(rows, evaluations, runs)
    in_runs = {index for run in runs for index in run[:-1]}
    rest = [index for index in range(len(evaluations)) if index not in in_runs]  # and the last of each run
    if len(rest) > len(runs) and len(rest) > 1:
        yield _side_by_side(rows, evaluations, rest)


def _curve(rows: Sequence[Row], evaluations: Sequence[Evaluation], runs: Sequence[Sequence[int]]) -> "Markup":
    """The metric along training, a line per run and task, with each task's baseline dashed."""
    from markupsafe import Markup

    names = labels_of(evaluations)
    figure, axes = canvas(height=3.4)
    labels, drawn = [], 0
    for row in rows:
        for run in runs:
            points = [(float(evaluations[i].step or 0), one) for i in run if (one := row.compared[i])]
            if points and drawn < _SHOWN:
                name = _task(row) if len(runs) < 2 else names[run[-1]]
                labels.append(_draw(axes, points, name, first=drawn == 0, joined=True))
                drawn += 1
    labels += _baselines(axes, rows)
    _set_ticks(axes, sorted({float(evaluations[index].step or 0) for run in runs for index in run}))
    _finish(axes, rows, "optimizer step", labels)
    return Markup(to_svg(figure, _name(rows), f"{rows[0].metric.metric} of {rows[0].metric.kind} along training"))


def _side_by_side(rows: Sequence[Row], evaluations: Sequence[Evaluation], columns: Sequence[int]) -> "Markup":
    """The metric as points, a model beside the other in their order, with each task's baseline dashed."""
    from markupsafe import Markup

    names = labels_of(evaluations)
    figure, axes = canvas(height=3.4)
    labels = []
    apart = 0.3 / max(1, len(rows[:_SHOWN]) - 1)
    for number, row in enumerate(rows[:_SHOWN]):
        shift = (number - (len(rows[:_SHOWN]) - 1) / 2) * apart if len(rows) > 1 else 0.0
        points = [(place + shift, one) for place, i in enumerate(columns, start=1) if (one := row.compared[i])]
        if points:
            labels.append(_draw(axes, points, _task(row), first=number == 0, joined=False))
    labels += _baselines(axes, rows)
    axes.set_xlim(0.4, len(columns) + 0.6)
    _set_ticks(axes, [float(place) for place in range(1, len(columns) + 1)])
    if len(columns) <= _NAMED:
        axes.set_xticks(range(1, len(columns) + 1), [_cut(names[index]) for index in columns])
    _finish(axes, rows, "model", labels)
    return Markup(to_svg(figure, f"{_name(rows)}-models", f"{rows[0].metric.metric} of {rows[0].metric.kind}"))


def _draw(axes: "Axes", points: Points, name: str, *, first: bool, joined: bool) -> tuple[float, str, str]:
    """Values with their intervals, coloured for the first; returns the label of the last."""
    xs, ys = [x for x, _ in points], [one.value for _, one in points]
    colour = ACCENT if first else BAR
    axes.plot(xs, ys, color=colour, linewidth=2, linestyle="solid" if joined else "none", marker="o", markersize=5)
    for x, one in points:
        if one.low is not None and one.high is not None:
            axes.plot([x, x], [one.low, one.high], color=colour, linewidth=1.2)
    return ys[-1], f"{_cut(name)} {ys[-1]:.3f}", ACCENT if first else INK


def _baselines(axes: "Axes", rows: Sequence[Row]) -> Iterator[tuple[float, str, str]]:
    for one in (row.metric for row in rows):
        if one.baseline is not None:
            axes.axhline(one.baseline, color=MUTED, linewidth=1, dashes=(4, 3))
            yield one.baseline, f"{one.baseline_name} {one.baseline:.3f}", MUTED


def _finish(axes: "Axes", rows: Sequence[Row], below: str, labels: Sequence[tuple[float, str, str]]) -> None:
    axes.set(xlabel=below, ylabel=rows[0].metric.metric)
    axes.margins(y=0.15)
    label_right(axes, labels)


def _task(row: Row) -> str:
    return f"{row.metric.name} {row.metric.part}".strip()


def _name(rows: Sequence[Row]) -> str:
    return f"{rows[0].metric.kind}-{rows[0].metric.metric}".replace(" ", "-").lower()


def _set_ticks(axes: "Axes", places: Sequence[float]) -> None:
    """A tick at each place, or at round numbers where those would touch."""
    apart = min((after - before for before, after in pairwise(places)), default=1.0)
    if apart * _TICKS >= places[-1] - places[0]:
        axes.set_xticks(places)
    else:
        axes.locator_params(axis="x", nbins=_TICKS, integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _cut(name: str) -> str:
    """A name that fits beside a figure: its ends, which tell more than its middle. A $ begins no formula."""
    name = printable(name)
    head, tail = (_LETTERS - 1) // 2, _LETTERS // 2
    return (name if len(name) <= _LETTERS else f"{name[:head]}…{name[-tail:]}").replace("$", r"\$")
