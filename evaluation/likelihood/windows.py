"""How a sequence longer than the context is cut, so that every base is predicted exactly once."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Window:
    """Model inputs are the bases [start, end); scored are the targets first_target to end, both included.

    ::

        inputs    start . . . . . . . . . . . . end-1
        targets     start+1 . . . . . . . . . . . end
        scored                    first_target . . end
    """

    start: int
    end: int
    first_target: int

    @property
    def length(self) -> int:
        """Number of inputs, and of predictions."""
        return self.end - self.start


def plan_windows(length: int, *, context_length: int, stride: int, first: int = 1) -> Iterator[Window]:
    """Windows over a sequence of `length` bases: targets `first` to length - 1, each in one window.

    A target has at least `context_length - stride` bases to its left in its window, or all that there are. All
    windows of a sequence longer than the context have `context_length` inputs: the last one is moved left to fit.
    The sliding window with an overlap is the usual fixed-length perplexity
    (https://huggingface.co/docs/transformers/perplexity).
    """
    if not 1 <= stride <= context_length:
        raise ValueError(f"stride {stride} is outside [1, context length {context_length}]")
    last, first_target = length - 1, max(1, first)
    end = max(context_length, first_target + stride - 1)
    while first_target <= last:
        end = min(end, last)
        yield Window(start=max(0, end - context_length), end=end, first_target=first_target)
        first_target, end = end + 1, end + stride
