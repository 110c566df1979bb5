"""A readable loss curve: in bits, smoothed, thinned to what a figure can show, with a sensible range."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_POINTS = 800  # more cannot be seen in a figure, and make the page large


def to_bits(nats: Sequence[float]) -> Values:
    """Nats to bits, shape [n]."""
    return np.asarray(nats, dtype=np.float64) / math.log(2)


def smooth(values: Values) -> Values:
    """Centred moving mean over a fortieth of the curve, shape [n]; narrower at the ends, NaN and infinity left out."""
    half = max(1, len(values) // 80)
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    index = np.arange(len(values))
    first, last = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    number = counts[last] - counts[first]
    means: Values = np.where(number > 0, (sums[last] - sums[first]) / np.maximum(number, 1), np.nan)
    return means


def thin(steps: npt.NDArray[np.int64], values: Values) -> tuple[Values, Values]:
    """At most 800 points, each the mean of as many neighbours."""
    size = math.ceil(len(values) / _POINTS)
    starts = np.arange(0, len(values), size)
    counts = np.diff([*starts, len(values)])
    return np.add.reduceat(steps, starts) / counts, np.add.reduceat(values, starts) / counts


def visible_range(smoothed: Values, validation: Values, lines: Sequence[float]) -> tuple[float, float]:
    """The heights to show: all lines and validations, and the curve after its first twentieth.

    The first steps of a run (8 bits for 256 equally likely ids) would press everything else into a line.
    """
    settled = smoothed[len(smoothed) // 20 :]
    shown = np.concatenate([settled, validation, np.asarray(lines)])
    shown = shown[np.isfinite(shown)]
    highest = min(float(shown.max()), max(lines) + 4 * (max(lines) - min(lines)) + 0.1)
    lowest = float(shown.min())
    margin = 0.06 * (highest - lowest) + 0.002
    return lowest - margin, highest + margin
