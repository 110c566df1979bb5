"""Sequences whose likelihood is wanted, laid into batches that every layout of devices can read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tokenizer.sequence import Ids
from tokenizer.vocabulary import PAD

MULTIPLE = 128
"""Batches are padded to multiples of this, times the parts that a sequence is cut into: kernels like round lengths."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Upper-case `ids`; what counts are those from `first` on, each predicted from all before it; `first` is 1 or more.

    ::

        inputs     0 . . . . . . . . n-2
        targets      1 . . . . . . . . n-1
        counted            first . . . n-1
    """

    ids: Ids
    first: int


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How many devices share the work: `replicas` of the model, with `stages` in a pipeline and `parts` of a sequence.

    `micro_batch`: rows of one forward pass; `longest`: positions of the model.
    """

    replicas: int
    stages: int
    parts: int
    micro_batch: int
    longest: int

    @property
    def rows(self) -> int:
        """Of one round."""
        return self.replicas * self.stages * self.micro_batch


@dataclass(frozen=True, kw_only=True)
class Round:
    """What all replicas read at once. `places`: index of each row, -1 for one that fills up, [replicas, stages, rows].

    `inputs`, `targets`: tokens, [replicas, stages, rows, length]; `counted`: which targets count, of the same shape.
    """

    places: npt.NDArray[np.int64]
    inputs: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.uint8]
    counted: npt.NDArray[np.bool_]

    @property
    def length(self) -> int:
        """Tokens of a row, padded."""
        return int(self.inputs.shape[-1])


def rounds(rows: Sequence[Row], layout: Layout) -> Iterator[Round]:
    """All rows, the shortest first; every replica has as many micro-batches as stages in each round.

    A schedule of interleaved stages wants that many, and no replica may read fewer batches than another, since
    gathering sharded parameters needs all of them.
    """
    order = sorted(range(len(rows)), key=lambda number: len(rows[number].ids))
    for start in range(0, len(order), layout.rows):
        yield _round([(number, rows[number]) for number in order[start : start + layout.rows]], layout)


def _round(taken: list[tuple[int, Row]], layout: Layout) -> Round:
    longest = max(len(row.ids) for _, row in taken) - 1
    unit = MULTIPLE * 2 * layout.parts if layout.parts > 1 else MULTIPLE
    length = min(layout.longest, -(-longest // unit) * unit)
    places = np.full(layout.rows, -1, dtype=np.int64)
    inputs, targets = (np.full((layout.rows, length), PAD.id, dtype=np.uint8) for _ in range(2))
    counted = np.zeros((layout.rows, length), dtype=bool)
    for at, (number, row) in enumerate(taken):
        places[at], end = number, len(row.ids) - 1
        inputs[at, :end], targets[at, :end] = row.ids[:-1], row.ids[1:]
        counted[at, row.first - 1 : end] = True
    shape = (layout.replicas, layout.stages, layout.micro_batch)
    return Round(
        places=places.reshape(shape),
        inputs=inputs.reshape(*shape, length),
        targets=targets.reshape(*shape, length),
        counted=counted.reshape(*shape, length),
    )
