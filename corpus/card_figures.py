"""The data card's figures: how long the documents are, and what GC they have."""

from typing import TYPE_CHECKING

import numpy as np

from corpus.card_data import Histogram
from corpus.histogram import edges
from pages.figure import ACCENT, MUTED, canvas, to_svg
from pages.quantities import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def length_figure(lengths: Histogram) -> str:
    """Documents by length, on a logarithmic axis of bases."""
    bins = np.array(list(lengths))
    lefts, rights = edges(bins), edges(bins + 1)
    figure, axes = canvas(height=3.2, width=0.91)
    axes.bar(lefts, list(lengths.values()), width=0.92 * (rights - lefts), align="edge", color=ACCENT)
    axes.set_xscale("log")
    axes.set(xlim=(lefts[0] / 1.3, rights[-1] * 1.3), xlabel="bases in a document", ylabel="documents")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: short(value))
    _finish(axes)
    return to_svg(figure, "lengths", "Documents by length")


def gc_figure(gc: Histogram) -> str:
    """Documents by GC percent."""
    figure, axes = canvas(height=3.2, width=0.91)
    axes.bar(list(gc), list(gc.values()), width=0.86, color=ACCENT)
    axes.set(xlim=(-1, 101), xlabel="GC of a document, percent of A, C, G and T", ylabel="documents")
    _finish(axes)
    return to_svg(figure, "gc", "Documents by GC percent")


def _finish(axes: "Axes") -> None:
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.margins(y=0.06)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: short(value))
