"""The optimizer's state of a checkpoint, as it moves between NeMo 2 and Megatron-Bridge.

Its tensors are named after those of the model, `optimizer.state.exp_avg.[module.]decoder...`; what they do not hold
(step, parameter groups) is in `common.pt`. Random states and the position in the data are not part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Training:
    """`step` finished steps; `optimizer` is the state of the optimizer in `common.pt`, its tensors left out."""

    step: int
    optimizer: Mapping[str, Any]
