"""The place before an update of Megatron-Core's optimizer: the one seam of the step guard, of both engines."""

import math
from collections.abc import Callable
from typing import Any


def guard_updates(optimizer: Any, accepts: Callable[[float], bool]) -> None:
    """Have Megatron-Core's optimizer ask `accepts(norm of all gradients)` before it changes a weight.

    Its `step` is: gradients ready, norm, clipping, update; the two ends are public methods. A refused update leaves the
    gradients to be zeroed at the next step, as NeMo does before each.
    """
    norm_of, update = optimizer.get_grad_norm, optimizer.step_with_ready_grads
    seen = [math.nan]

    def get_grad_norm() -> float:
        seen[0] = norm_of()
        return seen[0]

    def step_with_ready_grads() -> bool:
        return bool(update()) if accepts(float(seen[0])) else False

    optimizer.get_grad_norm, optimizer.step_with_ready_grads = get_grad_norm, step_with_ready_grads
