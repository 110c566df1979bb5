"""The request of `embed`, and its job: units of sequences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs.llama import read_architecture
from evaluation.digest import named
from evaluation.embedding.embedding import Embedding, check_layer, embed_regions
from evaluation.embedding.embedding_files import check_embedding_file, write_embeddings
from evaluation.finished import Work
from evaluation.likelihood.bed import check_bed
from evaluation.likelihood.likelihood import Reading, plan_context, plan_reading
from evaluation.likelihood.model import check_directory, load_model
from evaluation.likelihood.names import check_document_names
from evaluation.likelihood.regions import (
    Region,
    check_markup_options,
    check_source,
    read_regions,
)
from evaluation.sharding.job import Compute, Payload, Progress, Results, at_once, cut, unit_tokens
from foundation.atomic import check_writable
from tokenizer.sequence import Ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class EmbedRequest:
    """What is embedded, how, and the file that it is written to."""

    model: Path
    source: Path
    out: Path
    layer: int = -1
    pooling: str = "mean"
    split: str = "validation"
    bed: Path | None = None
    context_length: int | None = None
    stride: int | None = None
    dtype: str = "float32"
    batch_size: int | None = None
    adapter: Path | None = None
    markup: bool = False
    tag: str | None = None

    command = "embed"
    journal = None

    @property
    def is_corpus(self) -> bool:
        return self.source.is_dir()

    def at(self, out: Path) -> "EmbedRequest":
        """The same, written to `out`."""
        return replace(self, out=out)

    def check(self) -> None:
        """Errors: `InputError` for what can be known to be wrong before the model is loaded."""
        fasta = None if self.is_corpus else self.source
        check_embedding_file(self.out, fasta=fasta, bed=self.bed, per_base=self.pooling == "none")
        check_source(self.source, self.bed)
        self.first()
        if self.bed is not None:
            check_bed(self.bed)
        if self.is_corpus and self.bed is None and self.pooling == "none" and self.out.suffix.lower() == ".safetensors":
            check_document_names(self.source, self.split, self.out)
        check_writable(self.out)
        check_directory(self.model, self.adapter)
        self.context()
        check_layer(self.layer, read_architecture(self.model).num_hidden_layers)

    def first(self) -> Ids | None:
        """What comes before each sequence. Errors: `InputError` for options of markup that do not go together."""
        return check_markup_options(self.markup, self.tag, bed=self.bed, is_corpus=self.is_corpus)

    def context(self) -> tuple[int, int]:
        """Context length and stride. Errors: `InputError` out of range."""
        longest = read_architecture(self.model).max_position_embeddings
        return plan_context(longest, context_length=self.context_length, stride=self.stride)

    def made(self, *, overwrite: bool = False) -> Work:
        """What decides the result, and its file."""
        return Work(
            command=self.command,
            model=self.model,
            adapter=self.adapter,
            sources={"source": self.source, "bed": self.bed},
            settings={
                "layer": self.layer, "pooling": self.pooling, "split": self.split,
                "context_length": self.context_length, "stride": self.stride, "markup": self.markup,
                "tag": self.tag, "dtype": self.dtype,
            },
            files=[self.out],
            overwrite=overwrite,
        )  # fmt: skip

    def open(self) -> "EmbedJob":
        """Its job."""
        return EmbedJob(self)


class EmbedJob:
    """Embeddings of regions, in units of whole ones."""

    def __init__(self, request: EmbedRequest) -> None:
        self._request = request
        self._context_length, self._stride = request.context()
        self.progress = Progress(description=f"Embedding {request.source}", unit=" sequences")

    def units(self) -> Iterator[list[Region]]:
        """Regions."""
        asked = self._request
        split = asked.split if asked.is_corpus and asked.bed is None else None
        regions = read_regions(asked.source, split=split, bed=asked.bed, markup=asked.markup, tag=asked.first())
        return cut(regions, unit_tokens(self._context_length), self.work)

    def work(self, region: Region) -> int:
        """Tokens that the model reads."""
        bases, context = len(region.ids), self._context_length
        return bases if bases <= context else context * (1 + -(-(bases - context) // self._stride))

    def amount(self, region: Region) -> float:
        """Sequences."""
        return 1

    def load(self, device: str | None) -> Compute[Region]:
        """Load the model."""
        asked = self._request
        model = load_model(asked.model, asked.dtype, device=device, adapter=asked.adapter)
        reading = plan_reading(
            model, context_length=self._context_length, stride=self._stride, batch_size=asked.batch_size
        )
        return at_once(self, partial(embed_unit, model, reading, asked))

    def finish(self, results: Results[Region]) -> tuple[int, Sequence[Path]]:
        """Write the file; how many sequences it has."""
        asked = self._request
        settings = {"model": named(asked.model, asked.adapter), "layer": str(asked.layer), "pooling": asked.pooling,
                    "dtype": asked.dtype}  # fmt: skip
        settings |= {"tag": asked.tag} if asked.tag else {}
        embeddings = (one for unit, payload in results for one in _embeddings(unit, payload))
        return write_embeddings(embeddings, asked.out, settings), [asked.out]


def embed_unit(model: "PreTrainedModel", reading: Reading, asked: EmbedRequest, unit: list[Region]) -> Payload:
    """`values`: of all embeddings, end to end; `rows`: where each begins and ends; `pooled`: one row each."""
    found = [one.values for one in embed_regions(model, unit, reading, layer=asked.layer, pooling=asked.pooling)]
    rows = [np.atleast_2d(values) for values in found]
    return {
        "values": np.ascontiguousarray(np.concatenate(rows)),
        "rows": np.cumsum([0, *map(len, rows)]),
        "pooled": np.array([found[0].ndim == 1]),
    }


def _embeddings(unit: list[Region], payload: Payload) -> Iterator[Embedding]:
    for region, (start, end) in zip(unit, pairwise(payload["rows"].tolist()), strict=True):
        values = payload["values"][start:end]
        yield Embedding(region=region, values=values[0] if payload["pooled"][0] else values)
