"""Embeddings: the output of a layer for every base, or pooled over a sequence.

Layer 0 is the embedding table, layer k the output of block k; the last one has the final norm, as `hidden_states` of
transformers. Layers above the one asked for are not computed. A sequence longer than the context is read in windows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from corpus.markup import is_markup
from evaluation.likelihood.forward import hidden_states, layer_output, to_tensor
from evaluation.likelihood.likelihood import Reading
from evaluation.likelihood.regions import Region, oriented
from evaluation.likelihood.windows import Window, plan_windows
from foundation.errors import InputError, nearest
from tokenizer.sequence import Ids

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

Values = npt.NDArray[np.float32]

POOLINGS = ("mean", "last", "max", "none")


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """`values`: [hidden], or [bases, hidden] without pooling."""

    region: Region
    values: Values


def embed_regions(
    model: "PreTrainedModel", regions: Iterable[Region], reading: Reading, *, layer: int, pooling: str
) -> Iterator[Embedding]:
    """Embeddings in order. A negative `layer` counts from the last. `pooling`: mean, last, max, or none.

    "last" is the last base's, which has seen the whole sequence, or the last window of a long one.
    Errors: `InputError` for a layer that the model does not have, another pooling, and a region without bases.
    """
    blocks = int(model.config.num_hidden_layers)
    check_layer(layer, blocks)
    check_pooling(pooling)
    rest = iter(regions)
    while ahead := reading.batches.ahead(rest, lambda region: len(region.ids)):
        pools = [_Pool(pooling, len(region.ids), end=len(region.tag) + len(region.ids)) for region in ahead]
        for number, window, values in _windows(model, ahead, reading, layer % (blocks + 1)):
            pools[number].add(window, values)
        for region, pool in zip(ahead, pools, strict=True):
            yield Embedding(region=region, values=pool.result())


def check_layer(layer: int, blocks: int) -> None:
    """Errors: `InputError` for a layer that a model of so many blocks does not have."""
    if not -blocks - 1 <= layer <= blocks:
        fix = "-1 is the last layer, 0 the embedding table."
        raise InputError(f"layer {layer} is outside [0, {blocks}]", fix=fix, kind="layer")


def check_pooling(pooling: str) -> None:
    """Errors: `InputError` for one that is not in `POOLINGS`."""
    if pooling not in POOLINGS:
        raise InputError(f"unknown pooling {pooling!r}", fix=nearest(pooling, POOLINGS), kind="pooling")


def _windows(
    model: "PreTrainedModel", regions: list[Region], reading: Reading, layer: int
) -> "Iterator[tuple[int, Window, Tensor]]":
    """Region, window and the layer's output for the bases that are new in it, in order within a region."""
    pieces = [
        (number, window, ids[window.start : window.end])
        for number, region in enumerate(regions)
        for ids in [_read(region)]
        for window in plan_windows(
            len(ids) + 1, context_length=reading.context_length, stride=reading.stride, first=len(region.tag) + 1
        )
    ]
    pieces.sort(key=lambda piece: (-len(piece[2]), piece[0], piece[1].start))
    for batch in reading.batches.split(pieces, lambda piece: len(piece[2])):
        outputs = _output(model, to_tensor(model, [ids for _, _, ids in batch]), layer)
        for (number, window, ids), output in zip(batch, outputs, strict=True):
            yield number, window, output[window.first_target - 1 - window.start : len(ids)]


def _output(model: "PreTrainedModel", tokens: "Tensor", layer: int) -> "Tensor":
    """Output of `layer` for `tokens` [B, S]: [B, S, hidden]; of the last one after the final norm."""
    import torch

    with torch.inference_mode():
        last = layer == model.config.num_hidden_layers
        return hidden_states(model, tokens) if last else layer_output(model, tokens, layer)


def _read(region: Region) -> Ids:
    """What is read of a region: its tag and its bases, without other context. Errors: `InputError`."""
    if not len(region.ids):
        where, fix = f"record {region.name!r}", "Leave it out."
        raise InputError("has no base to embed", where=where, fix=fix, kind="no-base-to-embed")
    if is_markup(region.ids).any():
        fix = "Take it out, or cut the record there: a tag at its start is read."
        where = f"record {region.name!r}"
        raise InputError("has a tag or a join among its bases", where=where, fix=fix, kind="markup-inside")
    return oriented(replace(region, before=region.ids[:0], after=region.ids[:0]), reverse=False)[0]


class _Pool:
    """What the windows of one sequence come to: reduced on the device, summed in fp64 whatever the model's dtype.

    `end` is that of the last window.
    """

    def __init__(self, pooling: str, bases: int, *, end: int) -> None:
        self._pooling, self._bases, self._end = pooling, bases, end
        self._value: Tensor | None = None
        self._rows: list[tuple[int, Values]] = []

    def add(self, window: Window, values: "Tensor") -> None:
        import torch

        if self._pooling == "none":
            self._rows.append((window.first_target, values.float().cpu().numpy()))
        elif self._pooling == "last":
            if window.end == self._end:
                self._value = values[-1]
        elif self._pooling == "mean":
            new = values.sum(dim=0, dtype=torch.float64)
            self._value = new if self._value is None else self._value + new
        else:
            new = values.amax(dim=0)
            self._value = new if self._value is None else torch.maximum(self._value, new)

    def result(self) -> Values:
        if self._pooling == "none":
            return np.concatenate([values for _, values in sorted(self._rows, key=lambda row: row[0])])
        assert self._value is not None
        pooled: Values = (self._value / (self._bases if self._pooling == "mean" else 1)).float().cpu().numpy()
        return pooled
