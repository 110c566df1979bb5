"""A base checkpoint with an adapter merged into it, read like any other checkpoint.

Only here does a conversion compute: in fp32, one weight at a time, rounded once.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.adapters.low_rank import Adapter
from conversion.checkpoint import Checkpoint, Rows
from conversion.files.dtypes import cast, to_float32
from conversion.files.mapped_file import loaded
from conversion.weight_table import HEAD, Weight, expand, fuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class MergedAdapter:
    """`adapter` merged into `base`, its numbers as `dtype`, by default the base's. See `checkpoint.Checkpoint`.

    `directory` is that of the adapter.
    """

    def __init__(self, adapter: Adapter, base: Checkpoint, *, dtype: str | None = None) -> None:
        self.adapter, self.base, self.directory = adapter, base, adapter.directory
        self.vocabulary, self.weights = base.vocabulary, base.weights
        head = adapter.head or base.architecture.head
        self.stored_dtypes, self.stored_bytes = base.stored_dtypes, base.stored_bytes
        self.architecture = dataclasses.replace(base.architecture, dtype=dtype or base.architecture.dtype, head=head)
        if adapter.head:
            self.weights = expand(self.architecture, vocabulary=self.vocabulary)

    def in_fp32(self) -> "MergedAdapter":
        """The same, of which nothing is rounded: for who rounds to another dtype than the base's."""
        return MergedAdapter(self.adapter, self.base, dtype="float32")

    def parts(self, weight: Weight) -> list[Rows]:
        """The Hugging Face tensors of `weight`, in the table's order."""
        if self.adapter.head and weight.megatron.startswith(HEAD):
            stored = self.adapter.head_tensor(weight)
            return [[cast(loaded(stored), self.adapter.dtype, self.architecture.dtype, weight.megatron)]]
        return [
            self._merged(name, rows) if name in self.adapter.ranks else [self._as_read(name, piece) for piece in rows]
            for name, rows in zip(weight.hf, self.base.parts(weight), strict=True)
        ]

    def fused(self, weight: Weight) -> "Array":
        """Megatron's tensor of `weight`."""
        import numpy as np

        return np.concatenate([loaded(piece) for piece in fuse(weight, self.parts(weight))])

    def files(self) -> list[Path]:
        """The files that hold tensors."""
        return sorted({*self.adapter.files(), *self.base.files()})

    def _merged(self, name: str, rows: Rows) -> Rows:
        import numpy as np

        stored = np.concatenate([loaded(piece) for piece in rows])
        wide = self.adapter.low_rank(name).merged(to_float32(stored, self.base.architecture.dtype))
        return [cast(wide.view("<u4"), "float32", self.architecture.dtype, name)]

    def _as_read(self, name: str, piece: "Array") -> "Array":
        stored, wanted = self.base.architecture.dtype, self.architecture.dtype
        return piece if stored == wanted else cast(loaded(piece), stored, wanted, name)
