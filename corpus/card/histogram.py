"""Histograms of a manifest: bins of document lengths, quarter octaves wide, and of GC in percent."""

import numpy as np
import numpy.typing as npt

from corpus.card.data import Histogram
from corpus.card.lengths import Lengths
from foundation.pages.quantities import exact

BINS_PER_OCTAVE = 4


def edges(bins: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The shortest length of each bin, in bases."""
    lengths: npt.NDArray[np.float64] = 2.0 ** (bins / BINS_PER_OCTAVE)
    return lengths


def length_summary(lengths: Histogram, exact_lengths: Lengths | None, *, markup: bool) -> str:
    """Range, median and N50 of the document lengths; where they are not known exactly, the bins that they lie in."""
    if exact_lengths is None:
        return _bins_summary(lengths)
    known = exact_lengths
    unit = "letters, tags included" if markup else "bases"
    if known.shortest == known.longest:
        return f"Every document has {exact(known.longest)} {unit}."
    span = f"{exact(known.shortest)} to {exact(known.longest)} {unit}"
    return (
        f"Documents have {span}, in the median {_halves(known.median)}; "
        f"half of all {unit} are in documents of {exact(known.n50)} or more (N50)."
    )


def _bins_summary(lengths: Histogram) -> str:
    bins, counts = np.array(list(lengths)), np.array(list(lengths.values()))
    lows, highs = np.ceil(edges(bins)), np.ceil(edges(bins + 1)) - 1
    middle = _quantile(counts)
    span = f"{exact(int(lows[0]))} or more, at the most {exact(int(highs[-1]))} bases"
    median = f"{exact(int(lows[middle]))} to {exact(int(highs[middle]))}"
    return f"Documents have {span}; the median lies from {median}. Exact numbers need the corpus's .idx files."


def _halves(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def gc_summary(gc: Histogram) -> str:
    """Quartiles of the documents' GC."""
    percents, counts = np.array(list(gc)), np.array(list(gc.values()))
    low, middle, high = (percents[_quantile(counts, share)] for share in (0.25, 0.5, 0.75))
    return f"Median {middle}%; the middle half of the documents has {low}% to {high}% (whole percent, rounded down)."


def _quantile(weights: npt.NDArray[np.int64], share: float = 0.5) -> int:
    """The first place with `share` of the weight at or before it."""
    reached = np.cumsum(weights) >= share * np.sum(weights)
    return int(np.argmax(reached))
