"""The corpus as Megatron-Bridge's data: the same samples in the same order as `training.data.module` serves."""

import dataclasses
from typing import Any

import torch
from megatron.bridge.data.base import DatasetProvider

from corpus.samples.dataset import SampleDataset
from corpus.samples.datasets import Cutting, evaluation_dataset, train_dataset
from training.data.collate import collate
from training.data.sources import parse_sources


@dataclasses.dataclass(kw_only=True)
class GenomicDatasets(DatasetProvider):  # type: ignore[misc]
    """Samples of prepared corpora. Fields are the settings of the section `dataset`."""

    corpus: Any = ""
    seq_length: int = 0
    global_batch_size: int = 0
    mode: str = "concat"
    stride: int | None = None
    seed: int = 0
    soft_mask_weight: float = 0.0
    markup_weight: float = 0.0
    reverse_complement: bool = False
    validation_batches: int = 0
    dataloader_type: str = "single"

    def build_datasets(self, context: Any) -> tuple[Any, Any, None]:
        """Training and validation samples; Bridge asks for them with the number that it will read."""
        sources = parse_sources(self.corpus)
        folders, shares = [source.corpus for source in sources], [source.weight for source in sources]
        train = train_dataset(
            folders,
            shares,
            self._cutting(),
            length=context.train_samples,
            seed=self.seed,
            reverse_complement=self.reverse_complement,
            **self._weights(),
        )
        return Samples(train, context.train_samples), self._validation(context.valid_samples), None

    def validation_samples(self) -> SampleDataset | None:
        """The samples of one validation: whole global batches of them, evenly spaced."""
        if not self.validation_batches:
            return None
        sources = parse_sources(self.corpus)
        return evaluation_dataset(
            [source.corpus for source in sources],
            [source.weight for source in sources],
            "validation",
            self._cutting(),
            limit=self.validation_batches,
            global_batch_size=self.global_batch_size,
            **self._weights(),
        )

    def _validation(self, length: int) -> "Samples | None":
        inner = self.validation_samples()
        return Samples(inner, length) if inner is not None and length else None

    def _cutting(self) -> Cutting:
        return Cutting(seq_length=self.seq_length, mode=self.mode, stride=self.stride)

    def _weights(self) -> dict[str, float]:
        return {"soft_mask_weight": self.soft_mask_weight, "markup_weight": self.markup_weight}


class Samples(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """`inner` over and over: Bridge's loader of a validation begins where that of the last one ended."""

    collate_fn = staticmethod(collate)

    def __init__(self, inner: SampleDataset, length: int) -> None:
        self._inner, self._length = inner, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        return self._inner[index % len(self._inner)]
