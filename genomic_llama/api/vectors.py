"""Embeddings of sequence as arrays."""

from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from evaluation.embedding.embedding import Values, embed_regions
from evaluation.likelihood.likelihood import plan_reading
from foundation.errors import InputError
from foundation.progress import called_from_python, progress_bar
from genomic_llama.api.door import public
from genomic_llama.api.sequences import read_sequences

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from genomic_llama.api.sequences import Sequences


@overload
def embed(
    model: "PreTrainedModel", sequences: "Sequences", *, layer: int = ...,
    pooling: Literal["mean", "last", "max"] = ..., context_length: int | None = ..., stride: int | None = ...,
    batch_size: int | None = ..., progress: bool = ...,
) -> Values: ...  # fmt: skip


@overload
def embed(
    model: "PreTrainedModel", sequences: "Sequences", *, layer: int = ..., pooling: Literal["none"],
    context_length: int | None = ..., stride: int | None = ..., batch_size: int | None = ..., progress: bool = ...,
) -> list[Values]: ...  # fmt: skip


@public
def embed(
    model: "PreTrainedModel",
    sequences: "Sequences",
    *,
    layer: int = -1,
    pooling: Literal["mean", "last", "max", "none"] = "mean",
    context_length: int | None = None,
    stride: int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> "Values | list[Values]":
    """Embed sequences: the output of a layer, pooled over the bases of each sequence.

    - `sequences`: text, files, records or tables, see [Sequences](#sequences).
    - `layer`: 0 is the embedding table, k the output of block k; -1 is the last layer, after the final norm.
    - `pooling`: `"mean"`, `"max"` or `"last"` over the bases of a sequence; `"none"`: one vector per base.
    - `context_length`, `stride`, `batch_size`, `progress`: as for `score`.

    Returns float32 [sequences, hidden]; with `pooling="none"` a list of float32 [bases, hidden]. Rows are in the order
    of `sequences`. Values differ between batch sizes only by rounding, about 1e-6 of their size in float32.

    Raises `InputError` for invalid sequence, for no sequence at all, and for a layer that the model does not have.
    """
    with called_from_python(progress=progress):
        reading = plan_reading(model, context_length=context_length, stride=stride, batch_size=batch_size)
        found: list[Values] = []
        with progress_bar("Embedding", total=None, unit=" sequences") as advance:
            for one in embed_regions(model, read_sequences(sequences), reading, layer=layer, pooling=pooling):
                found.append(one.values)
                advance(1)
        if not found:
            raise InputError("has nothing to embed", where="sequences", fix="Give one or more.", kind="no-sequences")
        if pooling == "none":
            return found
        return np.stack(found)
