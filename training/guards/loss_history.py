"""Which steps are bad: not finite, or a loss far above the recent ones. Pure arithmetic.

Practice elsewhere: PaLM (Chowdhery et al. 2022, section 5.1) went back to a checkpoint before a spike and left out some
hundreds of batches; OLMo-core's SkipStepOptimizer leaves out a step above mean + 6 standard deviations of the last 128.
"""

import math
import statistics
from collections import deque
from collections.abc import Sequence

NOT_FINITE = "not finite"
SPIKE = "spike"

_MAD_TO_SIGMA = 1.4826
"""Standard deviations in a median absolute deviation, of a normal distribution."""

_LEAST_SIGMA = 0.005
"""As a share of the median. If losses barely vary, as for a memorized corpus, any change would be a spike."""


class LossHistory:
    """The losses of the last `window` steps.

    A loss is a spike above median + `deviations` * sigma, with sigma from the median absolute deviation: unlike a mean
    and a standard deviation, both stay where they are until half of the window is spikes.
    """

    def __init__(self, *, window: int, deviations: float, losses: Sequence[float] = ()) -> None:
        self.deviations = deviations
        self._losses = deque(losses, maxlen=window)

    @property
    def losses(self) -> list[float]:
        """What a checkpoint keeps, so that a resumed run judges as one that was not interrupted."""
        return list(self._losses)

    @property
    def limit(self) -> float:
        """The loss above which a step is a spike; infinite until the window is full."""
        if len(self._losses) < (self._losses.maxlen or 1):
            return math.inf
        median = statistics.median(self._losses)
        spread = statistics.median(abs(loss - median) for loss in self._losses)
        return median + self.deviations * max(_MAD_TO_SIGMA * spread, _LEAST_SIGMA * abs(median))

    def judge(self, loss: float, grad_norm: float) -> str:
        """`NOT_FINITE`, `SPIKE` or "", of the next step, which then is one of the recent ones."""
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            return NOT_FINITE
        above = loss > self.limit
        self._losses.append(loss)
        return SPIKE if above else ""


def parse_steps(texts: Sequence[str]) -> list[range]:
    """Steps "1500" and ranges of steps "1200-1300", both ends included. Errors: `ValueError`."""
    ranges = []
    for text in texts:
        first, _, last = text.partition("-")
        ranges.append(range(int(first), int(last or first) + 1))
        if not ranges[-1] or ranges[-1].start < 1:
            raise ValueError(f"{text!r} holds no step")
    return ranges
