"""Histograms of a manifest: bins of document lengths, quarter octaves wide, and of GC in percent."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corpus.card.data import Histogram
from foundation.pages.quantities import short

BINS_PER_OCTAVE = 4


def edges(bins: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The shortest length of each bin, in bases."""
    lengths: npt.NDArray[np.float64] = 2.0 ** (bins / BINS_PER_OCTAVE)
    return lengths


def length_summary(lengths: Histogram) -> str:
    """Median, N50 and range of the document lengths, as well as the bins tell."""
    bins, counts = np.array(list(lengths)), np.array(list(lengths.values()))
    middles = edges(bins) * 2 ** (0.5 / BINS_PER_OCTAVE)
    median = _quantile(middles, counts)
    n50 = _quantile(middles, counts * middles)
    shortest, longest = float(edges(bins[:1])[0]), float(edges(bins[-1:] + 1)[0])
    return (
        f"Half of the documents have about {short(median)} bases or more; half of the bases are in documents of about "
        f"{short(n50)} or more (N50). The shortest have {short(np.ceil(shortest))} or more, the longest fewer than "
        f"{short(np.ceil(longest))}."
    )


def gc_summary(gc: Histogram) -> str:
    """Quartiles of the documents' GC."""
    percents, counts = np.array(list(gc), dtype=float), np.array(list(gc.values()))
    low, middle, high = (_quantile(percents, counts, share) for share in (0.25, 0.5, 0.75))
    return f"Median {middle:.0f}%; half of the documents lie between {low:.0f}% and {high:.0f}%."


def _quantile(values: npt.NDArray[np.float64], weights: npt.NDArray[Any], share: float = 0.5) -> float:
    """The smallest of the ascending `values` with `share` of the weight at or below it."""
    reached = np.cumsum(weights) >= share * np.sum(weights)
    return float(values[int(np.argmax(reached))])
