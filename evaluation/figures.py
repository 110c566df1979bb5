"""The report's figures as inline SVG: colours are CSS variables of the page, so one drawing serves light and dark.

Matplotlib draws with a stand-in colour for each variable, which is then replaced by name in the SVG.
"""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.curve import smooth, thin, to_bits, visible_range
from evaluation.markov import MarkovScore
from evaluation.quantities import bits
from evaluation.run_log import RunLog

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, ACCENT, FAINT, BAR = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", ACCENT: "accent", FAINT: "accent-faint", BAR: "bar"}

UNIFORM_BITS = 2.0  # what guessing A, C, G and T with equal chance costs


def loss_curve(log: RunLog, *, held_out: float, best: MarkovScore, floor: float | None) -> tuple[str, int]:
    """Training and validation loss in bits per token against the step, and how many steps lie above the axis."""
    steps, losses = np.array([step.step for step in log.steps]), to_bits([step.loss for step in log.steps])
    smoothed = smooth(losses)
    lines = [(UNIFORM_BITS, "uniform guess"), (best.bits_per_base, f"Markov, order {best.order}")]
    lines += [] if floor is None else [(floor, "entropy floor")]
    validation = to_bits([point.validation_loss for point in log.validations])
    lowest, highest = visible_range(smoothed, validation, [held_out, *(value for value, _ in lines)])
    figure, axes = canvas(height=4.0)
    for value, _ in lines:
        axes.axhline(value, color=MUTED, linewidth=1, dashes=(4, 3))
    axes.plot(*thin(steps, losses), color=FAINT, linewidth=1, marker="o" if len(steps) == 1 else None)
    axes.plot(*thin(steps, smoothed), color=ACCENT, linewidth=2)
    if log.validations:
        axes.plot([p.step for p in log.validations], validation, "o", color=INK, markersize=4.5, linestyle="none")
    last = int(max(steps[-1], *(point.step for point in log.validations)) if log.validations else steps[-1])
    axes.plot([last], [held_out], "D", color=ACCENT, markersize=7, clip_on=False, zorder=5)
    axes.set(ylim=(lowest, highest), xlim=(0, last), xlabel="optimizer step", ylabel="loss, bits per token")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    labels = [*((value, text, MUTED) for value, text in lines), (held_out, "held out", ACCENT)]
    label_right(axes, [(value, f"{text} {bits(value)}", colour) for value, text, colour in labels])
    return to_svg(figure, "loss", "Loss in bits per token against the step"), int((losses > highest).sum())


def baseline_bars(scores: Sequence[MarkovScore], *, held_out: float, floor: float | None) -> str:
    """Bits per base below the uniform guess's two, for each Markov order and the model. Bars start at zero."""
    names = [f"order {score.order}" for score in scores] + ["model"]
    values = [score.bits_per_base for score in scores] + [held_out]
    saved = [UNIFORM_BITS - value for value in values]
    figure, axes = canvas(height=3.4)
    bars = axes.bar(names, saved, width=0.66, color=[BAR] * len(scores) + [ACCENT])
    axes.bar_label(bars, labels=[bits(value) for value in values], padding=3, color=INK, fontsize=9)
    axes.axhline(0, color=MUTED, linewidth=1)
    if floor is not None:
        axes.axhline(UNIFORM_BITS - floor, color=MUTED, linewidth=1, dashes=(4, 3))
        label_right(axes, [(UNIFORM_BITS - floor, "entropy floor", MUTED)])
    axes.set(ylabel="bits saved per base")
    axes.margins(y=0.12)
    axes.tick_params(axis="x", length=0)
    return to_svg(figure, "bars", "Bits per base of the Markov chains and of the model")


def canvas(height: float) -> "tuple[Figure, Axes]":
    """A figure that is no part of pyplot's state, 9 inches wide, with room for labels at the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height))
    axes = figure.add_axes((0.07, 0.52 / height, 0.745, 1 - 0.62 / height))
    axes.set_facecolor("none")
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelsize=9, length=0, pad=6)
    axes.xaxis.label.set(color=MUTED, size=9)
    axes.yaxis.label.set(color=MUTED, size=9)
    return figure, axes


def label_right(axes: "Axes", labels: list[tuple[float, str, str]]) -> None:
    """Write each (value, text, colour) beside its height at the right edge, pushed apart where they would touch."""
    low, high = axes.get_ylim()
    room = 0.068 * (high - low) * 288 / axes.figure.bbox.height
    below = low - room
    for value, text, colour in sorted(labels):
        below = max(value, below + room)
        axes.annotate(
            text,
            (1.02, below),
            xycoords=("axes fraction", "data"),
            color=colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
        )


def to_svg(figure: "Figure", name: str, title: str) -> str:
    """The figure as an `<svg>` element: no prolog, no metadata, ids of its own, text as text, the page's colours."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'id="([\w.]+_\d+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", rf'<svg \1 role="img"><title>{title}</title>', svg, count=1)
