"""The report's figures: loss against the step, Markov chains and the model side by side."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from evaluation.baselines.baseline import UNIFORM_BITS
from evaluation.baselines.markov import MarkovScore
from evaluation.report.curve import smooth, thin, to_bits, visible_range
from evaluation.report.run_log import RunLog
from foundation.pages.figure import ACCENT, BAR, FAINT, INK, MUTED, canvas, to_svg
from foundation.pages.quantities import bits

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def loss_curve(
    log: RunLog, *, held_out: float, step: int | None, best: MarkovScore, floor: float | None
) -> tuple[str, int]:
    """Training and validation loss in bits per token against the step, and how many steps lie above the axis.

    `held_out` was measured at `step`; it is drawn at the end where that is not known.
    """
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
    axes.plot([last if step is None else step], [held_out], "D", color=ACCENT, markersize=7, clip_on=False, zorder=5)
    axes.set(ylim=(lowest, highest), xlim=(0, last), xlabel="optimizer step", ylabel="loss, bits per token")
    axes.locator_params(axis="x", integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    labels = [*((value, text, MUTED) for value, text in lines), (held_out, "held out", ACCENT)]
    label_right(axes, [(value, f"{text} {bits(value)}", colour) for value, text, colour in labels])
    return to_svg(figure, "loss", "Loss in bits per token against the step"), int((losses > highest).sum())


def baseline_bars(scores: Sequence[MarkovScore], *, held_out: float, floor: float | None) -> str:
    """Bits per base below the uniform guess's two, for each Markov order and the model. Bars start at zero."""
    names = [str(score.order) for score in scores] + ["model"]
    values = [score.bits_per_base for score in scores] + [held_out]
    saved = [UNIFORM_BITS - value for value in values]
    figure, axes = canvas(height=3.4)
    bars = axes.bar(names, saved, width=0.66, color=[BAR] * len(scores) + [ACCENT])
    axes.bar_label(bars, labels=[bits(value) for value in values], padding=3, color=INK, fontsize=9)
    axes.axhline(0, color=MUTED, linewidth=1)
    if floor is not None:
        axes.axhline(UNIFORM_BITS - floor, color=MUTED, linewidth=1, dashes=(4, 3))
        label_right(axes, [(UNIFORM_BITS - floor, "entropy floor", MUTED)])
    axes.set(ylabel="bits saved per base", xlabel="order of the Markov chain, and the model")
    axes.margins(y=0.12)
    axes.tick_params(axis="x", length=0)
    return to_svg(figure, "bars", "Bits per base of the Markov chains and of the model")


def label_right(axes: "Axes", labels: Iterable[tuple[float, str, str]]) -> None:
    """Write each (value, text, colour) beside its height at the right edge, once, pushed apart where they would touch.

    Those at the top that find no room are pushed down, and with them what is below.
    """
    low, high = axes.get_ylim()
    known = sorted(set(labels))
    room = min(0.068 * (high - low) * 288 / axes.figure.bbox.height, (high - low) / max(1, len(known) - 1))
    heights = _apart([value for value, _, _ in known], room)
    if heights[-1] > high:
        heights = [-height for height in _apart([-min(height, high) for height in reversed(heights)], room)][::-1]
    for height, (_, text, colour) in zip(heights, known, strict=True):
        axes.annotate(
            text,
            (1.02, height),
            xycoords=("axes fraction", "data"),
            color=colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
        )


def _apart(heights: Iterable[float], room: float) -> list[float]:
    """Ascending `heights`, each `room` or more above the one before."""
    return list(accumulate(heights, lambda below, height: max(height, below + room)))
