"""Figures of an evaluation: recall against distance, and metrics over training. Inline SVG in the page's colours."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from evaluation.baselines.baseline import UNIFORM_BITS
from evaluation.report.figures import label_right
from evaluation.suite.compare import Row, by_training, runs_of
from evaluation.suite.compare import labels as labels_of
from evaluation.suite.result import Evaluation
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
        points = [(x, one.value) for x, row in zip(distances, rows, strict=True) if (one := row.compared[column])]
        xs, ys = zip(*points, strict=True)
        colour = ACCENT if column == measured[-1] else BAR
        axes.plot(xs, ys, color=colour, linewidth=2, marker="o", markersize=5)
        labels.append((ys[-1], f"{_cut(names[column])} {ys[-1]:.3f}", ACCENT if colour is ACCENT else INK))
    axes.set_xscale("log", base=2)
    axes.set_xticks(distances, [f"{distance:,}" for distance in distances])
    axes.minorticks_off()
    axes.set(xlabel="bases between the copies", ylabel="bits per base")
    axes.margins(y=0.15)
    label_right(axes, labels)
    return Markup(to_svg(figure, f"recall{number}", "Bits per base of a repeated needle against its distance"))


def metric_curve(rows: Sequence[Row], evaluations: Sequence[Evaluation]) -> "Markup":
    """One metric of several tasks along training, with each task's baseline dashed; points, where no step is known."""
    from markupsafe import Markup

    places = by_training(evaluations)
    runs = runs_of(evaluations)
    steps, names = bool(runs), labels_of(evaluations)
    position = {id(one): x for x, one in places}
    figure, axes = canvas(height=3.4)
    labels, drawn = [], 0
    for row in rows:
        for columns in runs or [[next(i for i, e in enumerate(evaluations) if e is one) for _, one in places]]:
            points = [(position[id(evaluations[i])], one.value) for i in columns if (one := row.compared[i])]
            if not points or drawn == _SHOWN:
                continue
            xs, ys = zip(*points, strict=True)
            colour, line = ACCENT if drawn == 0 else BAR, "solid" if steps else "none"
            axes.plot(xs, ys, color=colour, linewidth=2, linestyle=line, marker="o", markersize=5)
            name = f"{row.metric.name} {row.metric.part}".strip() if len(runs) < 2 else names[columns[-1]]
            labels.append((ys[-1], f"{_cut(name)} {ys[-1]:.3f}", ACCENT if drawn == 0 else INK))
            drawn += 1
        if row.metric.baseline is not None:
            axes.axhline(row.metric.baseline, color=MUTED, linewidth=1, dashes=(4, 3))
            labels.append((row.metric.baseline, f"{row.metric.baseline_name} {row.metric.baseline:.3f}", MUTED))
    axes.set(xlabel="optimizer step" if steps else "model", ylabel=rows[0].metric.metric)
    _set_ticks(axes, [x for x, _ in places])
    if not steps and len(places) <= _NAMED:
        axes.set_xticks([x for x, _ in places], [_cut(name) for name in labels_of([one for _, one in places])])
    axes.margins(y=0.15)
    label_right(axes, labels)
    metric = rows[0].metric
    name = f"{metric.kind}-{metric.metric}".replace(" ", "-").lower()
    return Markup(to_svg(figure, name, f"{metric.metric} of {metric.kind}{' along training' if steps else ''}"))


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
