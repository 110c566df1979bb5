"""Keys and values of all rows that are being decoded, in one piece of memory that is taken once.

Each row starts at the first position, whatever its prompt's length, and what it does not have yet is masked:

    row 0   [p p p p p n n n . . .]     p prompt     n new     . nothing, masked
    row 1   [p p p n n n . . . . .]

Sums over positions and products with weights take the same steps whoever shares the batch: positions come in blocks
and rows in fours, since the kernels of a CPU sum a remainder in another order. So a row's numbers are the same to the
bit, alone or among others (on a CPU, in fp32).

Letters in shapes: B rows, H heads, G key-value heads, R heads of a group, T positions of the cache, D head dimension.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.generation.one_position import attend_one
from foundation.memory import available_memory

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

    from evaluation.likelihood.attention import Recorder

ROWS = 4
"""Rows come in multiples of this."""
_BLOCK = 32
"""Positions that are attended to come in multiples of this."""
_MOST = {"cpu": 64, "cuda": 512}
"""Rows beyond which a batch gains no more speed."""
_SHARE = 0.5
"""Share of the free memory for keys and values."""


class Cache:
    """A `Context` for prompts of these `lengths`; see `evaluation.likelihood.attention`."""

    def __init__(self, lengths: Sequence[int], capacity: int, device: "torch.device") -> None:
        import torch

        self._capacity, self._last = -(-capacity // _BLOCK) * _BLOCK, capacity - 1
        self._alike, self._longest = min(lengths) == max(lengths), max(lengths)
        self._ends = torch.tensor(lengths, device=device)
        self._rows = torch.arange(len(lengths), device=device)
        self._layers: list[tuple[Tensor, Tensor]] = []
        self._places = torch.arange(self._capacity, device=device)

    @property
    def positions(self) -> "Tensor":
        """The position that comes next, [B, 1], or [1, 1] where all rows have the same."""
        return self._ends[: 1 if self._alike else None, None]

    def fill(self, first: int, last: int, prompt: "Recorder") -> None:
        """Put what one prompt's pass recorded into the rows [first, last)."""
        for layer, pair in enumerate(prompt.layers):
            if layer == len(self._layers):
                _, groups, _, width = pair[0].shape
                shape = (len(self._ends), groups, self._capacity, width)
                self._layers.append((pair[0].new_zeros(shape), pair[0].new_zeros(shape)))
            for store, new in zip(self._layers[layer], pair, strict=True):
                store[first:last, :, : new.shape[2]] = new

    def close(self) -> None:
        """The position is filled in all layers. A row without room, which has ended, writes its last one again."""
        self._ends += 1
        self._ends.clamp_(max=self._last)
        self._longest = min(self._longest + 1, self._last)

    def attend(self, layer: int, query: "Tensor", key: "Tensor", value: "Tensor", scale: float) -> "Tensor":
        """Attention of one new position, [B, H, 1, D], with all before it and itself."""
        from torch.nn.functional import scaled_dot_product_attention

        keys, values = self._layers[layer]
        row, place = self._place
        keys[row, :, place], values[row, :, place] = key[:, :, 0], value[:, :, 0]
        end = -(-(self._longest + 1) // _BLOCK) * _BLOCK
        # One position sees all of them, so the heads of a group can stand for its positions: nothing is repeated.
        grouped = query.reshape(*key.shape[:2], -1, query.shape[3])
        if _by_rows(query):
            return attend_one(grouped, keys, values, self._ends, end, scale).view(query.shape)
        keys, values = keys[:, :, :end], values[:, :, :end]
        if layer == 0:  # the same for all layers
            self._known = (self._places[:end] <= self._ends[:, None])[:, None, None]
        return scaled_dot_product_attention(grouped, keys, values, attn_mask=self._known, scale=scale).view(query.shape)

    def keep(self, rows: "Tensor") -> None:
        """Continue with these rows alone."""
        self._ends, self._rows = self._ends[rows], self._rows[: len(rows)]
        for layer, (keys, values) in enumerate(self._layers):
            self._layers[layer] = (keys[rows], values[rows])

    @property
    def _place(self) -> "tuple[slice | Tensor, int | Tensor]":
        return (slice(None), self._longest) if self._alike else (self._rows, self._ends)


def rows_that_fit(model: "PreTrainedModel", capacity: int) -> int:
    """Rows of `capacity` positions that can be decoded together; one at least."""
    import torch

    config = model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    row: int = 2 * config.num_hidden_layers * config.num_key_value_heads * width * model.dtype.itemsize * capacity
    on_gpu = model.device.type == "cuda"
    free = torch.cuda.mem_get_info(model.device)[0] if on_gpu else available_memory()
    return max(1, min(_MOST["cuda" if on_gpu else "cpu"], int(free * _SHARE) // row))


def _by_rows(query: "Tensor") -> bool:
    """Whether attention is computed row by row, rather than by torch's fused kernel with a mask."""
    import torch

    return query.device.type == "cpu" and query.dtype == torch.float32
