"""The data card's figures: how long the documents are, and what GC they have."""

import math
from typing import TYPE_CHECKING

import numpy as np

from corpus.card.data import Histogram
from corpus.card.histogram import edges
from foundation.pages.figure import ACCENT, MUTED, canvas, to_svg
from foundation.pages.quantities import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST_SPAN = 20  # percent points of GC
_TICKS = 3  # at the least, on the axis of lengths
_STEPS = (
    (1,),
    (1, 3),
    (1, 2, 5),
    (1, 1.5, 2, 3, 4, 5, 7),
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9),  # one bin alone, of an axis of an octave
)
"""Ticks within a decade, few to many."""


def length_figure(lengths: Histogram) -> str:
    """Documents by length, on a logarithmic axis of bases."""
    bins = np.array(list(lengths))
    lefts, rights = edges(bins), edges(bins + 1)
    figure, axes = canvas(height=3.2, width=0.91)
    axes.bar(lefts, list(lengths.values()), width=0.92 * (rights - lefts), align="edge", color=ACCENT)
    axes.set_xscale("log")
    low, high = lefts[0] / 1.3, rights[-1] * 1.3
    axes.set(xlim=(low, high), xlabel="bases in a document", ylabel="documents")
    axes.set_xticks(log_ticks(low, high))
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: short(value))
    _finish(axes)
    return to_svg(figure, "lengths", "Documents by length")


def gc_figure(gc: Histogram) -> str:
    """Documents by GC percent."""
    figure, axes = canvas(height=3.2, width=0.91)
    axes.bar(list(gc), list(gc.values()), width=0.86, color=ACCENT)
    axes.set(xlim=_gc_range(gc), xlabel="GC of a document, percent of A, C, G and T", ylabel="documents")
    axes.locator_params(axis="x", integer=True)
    _finish(axes)
    return to_svg(figure, "gc", "Documents by GC percent")


def _gc_range(gc: Histogram) -> tuple[float, float]:
    """All bars, with room beside them, and no less than a span of percent points."""
    low, high = min(gc), max(gc)
    room = max(2.0, (_LEAST_SPAN - (high - low)) / 2)
    return max(-1.0, low - room), min(101.0, high + room)


def log_ticks(low: float, high: float) -> list[float]:
    """Round lengths from `low` to `high`: powers of ten, or more where these are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in _STEPS:
        ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(ticks) >= _TICKS:
            break
    return ticks


def _finish(axes: "Axes") -> None:
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.margins(y=0.06)
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", integer=True)
    axes.yaxis.set_major_formatter(lambda value, _: short(value))
