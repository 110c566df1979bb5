"""Effects as arrays, and back: how a part of a shard, or a journal, keeps them."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from evaluation.sharding.job import Payload
from evaluation.variants.distances import FIELDS, Shift
from evaluation.variants.effects import Effect, StrandEffect


def to_arrays(effects: Sequence[Effect | None]) -> Payload:
    """The effects on the forward and the reverse strand, as `StrandEffect` has them.

    `delta` and `targets`, [effects, 2], no targets where there is none; `shift`, [effects, 2, 4], NaN for none.
    """
    strands = [(None, None) if effect is None else (effect.forward, effect.reverse) for effect in effects]
    return {
        "delta": np.array([[one.delta if one else 0.0 for one in both] for both in strands], dtype=np.float64),
        "targets": np.array([[one.targets if one else 0 for one in both] for both in strands], dtype=np.int64),
        "shift": np.array([[_shift(one) for one in both] for both in strands], dtype=np.float64),
    }


def from_arrays(payload: Payload) -> Iterator[Effect | None]:
    """What `to_arrays` was given."""
    columns = (payload[name].tolist() for name in ("delta", "targets", "shift"))
    for both in zip(*columns, strict=True):
        strands = [_strand(*one) for one in zip(*both, strict=True)]
        yield Effect(forward=strands[0], reverse=strands[1]) if any(strands) else None


def _shift(one: StrandEffect | None) -> list[float]:
    return [math.nan if one is None or one.shift is None else getattr(one.shift, name) for name in FIELDS]


def _strand(delta: float, targets: int, shift: list[float]) -> StrandEffect | None:
    found = None if math.isnan(shift[0]) else Shift(**dict(zip(FIELDS, shift, strict=True)))
    return StrandEffect(delta=delta, targets=targets, shift=found) if targets else None
