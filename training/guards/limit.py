"""How long a rank may be silent. Pure arithmetic."""

import statistics
from collections import deque

MIN_SECONDS = 60.0
"""A step is not called hung before, however quick the others were: a full disk or a slow network may pass."""

STEPS = 64
"""Steps whose median counts."""


def silence_limit(*, in_step: bool, steps: deque[float], seconds: float, factor: float) -> float:
    """Seconds of silence that are too many; `steps` are the durations of the last ones.

    Between steps, where the run validates and saves, and until there is a median, `seconds` alone counts.
    """
    if not in_step or len(steps) < 3:
        return seconds
    return min(seconds, max(MIN_SECONDS, factor * statistics.median(steps)))
