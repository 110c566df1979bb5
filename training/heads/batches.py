"""Which labelled sequences come when, and micro-batches of them: shuffled, with sequences of like length together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from corpus.samples.permutation import Permutation
from evaluation.labelled.examples import Example
from evaluation.labelled.targets import IGNORED
from tokenizer.sequence import reverse_complement
from tokenizer.vocabulary import PAD

POOL = 16
"""Global batches that are sorted by length together."""

_MULTIPLE = 16
"""Of which a padded length is one: FP8 matrix products ask for it."""


class LabelledOrder:
    """The training example at each index of an endless stream of shuffled epochs, and whether its strand is turned.

    A pure function of the seed, the index and the size of a global batch. `POOL` global batches at a time are sorted by
    length and dealt out again, so that a global batch, and each micro-batch in it, has sequences of like length.
    """

    def __init__(self, lengths: Sequence[int], *, batch: int, seed: int, both_strands: bool) -> None:
        self._lengths = np.asarray(lengths)
        self._batch, self._seed, self._both = batch, seed, both_strands
        self._pool = -1
        self._places: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def __call__(self, index: int) -> tuple[int, bool]:
        """Example and strand."""
        pool, place = divmod(index, POOL * self._batch)
        if pool != self._pool:
            self._pool, self._places = pool, self._arranged(pool)
        position = int(self._places[place])
        return self._example(position), self._both and is_reverse_complement(self._seed, position)

    def _example(self, position: int) -> int:
        epoch, place = divmod(position, len(self._lengths))
        return int(Permutation(len(self._lengths), seed=self._seed, epoch=epoch)(place))

    def _arranged(self, pool: int) -> npt.NDArray[np.int64]:
        """The positions of one pool in the order in which they are served."""
        size = POOL * self._batch
        positions = np.arange(pool * size, (pool + 1) * size)
        lengths = self._lengths[[self._example(int(position)) for position in positions]]
        batches = positions[np.argsort(lengths, kind="stable")].reshape(POOL, self._batch)
        shuffled: npt.NDArray[np.int64] = batches[np.random.default_rng([self._seed, pool]).permutation(POOL)]
        return shuffled.ravel()


def is_reverse_complement(seed: int, position: int) -> bool:
    """Whether the sequence at a position of the stream is read as its reverse complement: a fair coin."""
    return bool(Permutation(2**32, seed=seed, epoch=position >> 32)(position & 0xFFFFFFFF) & 1)


class LabelledDataset:
    """Training samples in order; a sample is an example's ids and target, and its index."""

    def __init__(self, examples: Sequence[Example], order: LabelledOrder, length: int) -> None:
        self.examples, self.order, self.length = examples, order, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, turned = self.order(index)
        example = self.examples[number]
        return {**sample(example, turned=turned), "index": index, "real": 1}

    def describe(self, index: int) -> dict[str, Any]:
        """Where the sample of an index comes from, for people."""
        number, turned = self.order(index)
        return {"index": index, "example": self.examples[number].where, "reverse_complement": turned}


class EveryExample:
    """Validation samples: every example once, then as many that count nothing as fill the last global batch.

    With `both_strands` each example comes twice, forward and turned: index // 2 is the example's number.
    """

    def __init__(self, examples: Sequence[Example], *, batch: int, most: int, both_strands: bool) -> None:
        self.examples, self.both = examples, both_strands
        samples = min(len(examples), most * batch // (1 + both_strands)) * (1 + both_strands)
        self.samples, self.length = samples, -(-samples // batch) * batch

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        real = index < self.samples
        number, turned = divmod(index if real else 0, 2) if self.both else (index if real else 0, 0)
        return {**sample(self.examples[number], turned=bool(turned)), "index": index, "real": int(real)}


def sample(example: Example, *, turned: bool) -> dict[str, Any]:
    """Ids and target of an example; both reversed if the other strand is read."""
    if not turned:
        return {"ids": example.ids, "target": example.target}
    per_base = np.ndim(example.target) == 1 and len(example.target) == len(example.ids)
    target = example.target[::-1] if per_base else example.target
    return {"ids": reverse_complement(example.ids), "target": target}


def collate(samples: Sequence[dict[str, Any]], *, per_base: bool) -> dict[str, torch.Tensor]:
    """A micro-batch: uint8 `tokens` [batch, longest], padded on the right, `lengths`, `labels`, `index` and `real`.

    `labels` are those of the sequences, or one per base, padded with "no label".
    """
    longest = -(-max(len(one["ids"]) for one in samples) // _MULTIPLE) * _MULTIPLE
    tokens = np.full((len(samples), longest), PAD.id, dtype=np.uint8)
    for row, one in enumerate(samples):
        tokens[row, : len(one["ids"])] = one["ids"]
    targets = [one["target"] for one in samples]
    return {
        "tokens": torch.from_numpy(tokens),
        "lengths": torch.tensor([len(one["ids"]) for one in samples]),
        "labels": torch.from_numpy(_padded(targets, longest) if per_base else np.stack(targets)),
        "index": torch.tensor([one["index"] for one in samples]),
        "real": torch.tensor([float(one["real"]) for one in samples]),
    }


def _padded(targets: Sequence[npt.NDArray[Any]], longest: int) -> npt.NDArray[Any]:
    empty = IGNORED if targets[0].dtype.kind == "i" else np.nan
    rows = np.full((len(targets), longest), empty, dtype=targets[0].dtype)
    for row, values in enumerate(targets):
        rows[row, : len(values)] = values
    return rows
