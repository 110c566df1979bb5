"""What an adapter adds to one weight, whatever wrote it.

    W + scale * outward @ inward                (Hu et al. 2021)

and with a magnitude, every row of that scaled to the length which the magnitude gives (DoRA, Liu et al. 2024).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from configs.heads import Head
from conversion.weight_table import Weight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """The change of one weight of shape [rows, columns], in fp32: [rank, columns], [rows, rank] and [rows]."""

    inward: "Array"
    outward: "Array"
    scale: float
    magnitude: "Array | None" = None

    @property
    def rank(self) -> int:
        return len(self.inward)

    def merged(self, weight: "Array") -> "Array":
        """`weight`, fp32, with the change."""
        import numpy as np

        wide: Array = weight + np.float32(self.scale) * (self.outward @ self.inward)
        if self.magnitude is None:
            return wide
        with np.errstate(divide="ignore", invalid="ignore"):  # who takes the weights looks for what is not finite
            lengths: Array = self.magnitude / np.linalg.norm(wide, axis=1)
            scaled: Array = wide * lengths[:, None]
        return scaled


class Adapter(Protocol):
    """An adapter that is open and was checked against the weights it belongs to.

    `dtype`: of its numbers in the files. `ranks`: of each Hugging Face tensor that it changes, in the table's order.
    `head`: what was trained with it in place of the output layer, whose tensors it has too.
    """

    directory: Path
    dtype: str
    ranks: Mapping[str, int]
    head: Head | None

    def low_rank(self, name: str) -> LowRank:
        """What it adds to the Hugging Face tensor `name`, one of `ranks`."""

    def head_tensor(self, weight: Weight) -> "Array":
        """A tensor of the head, raw numbers of `dtype`."""

    def files(self) -> list[Path]:
        """The files that hold its tensors."""
