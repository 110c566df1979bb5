"""Samples of a fixed length from a token stream, served by index."""

from typing import Protocol

import numpy as np

from conduct.errors import InputError
from corpus.samples.example import Example, make_example, other_strand, takes_other_strand
from corpus.samples.order import Order
from corpus.store.stream import TokenStream
from tokenizer.sequence import Ids


class Windows(Protocol):
    """A way to cut a split into samples. A new one has these members, and `SampleDataset` serves it."""

    seq_length: int

    def __len__(self) -> int:
        """Samples in one pass over the split."""
        ...

    def read(self, sample: int) -> Ids:
        """Stored tokens of one sample: at most seq_length + 1, inputs and the last label."""
        ...


class ConcatWindows:
    """All documents end to end, cut every `seq_length` tokens, as Megatron's GPTDataset does.

    Sample i holds tokens [i*S, i*S + S + 1): the last label of one sample is the first input of the next, so that every
    token but the first is a label once. The last sample may be shorter.
    """

    def __init__(self, index: TokenStream, seq_length: int) -> None:
        if seq_length < 1:
            raise InputError(f"is {seq_length}", where="seq_length", fix="Give a number of tokens above 0.")
        self.index, self.seq_length = index, seq_length

    def __len__(self) -> int:
        return -(-(self.index.tokens - 1) // self.seq_length)

    def read(self, sample: int) -> Ids:
        """Stored tokens of one sample, shape [seq_length + 1], or fewer in the last."""
        start = sample * self.seq_length
        return self.index.read(start, min(start + self.seq_length + 1, self.index.tokens))


class SampleDataset:
    """A map-style dataset of `length` examples; PyTorch's default collation makes tensors [batch, seq_length] of them.

    Parameters
    ----------
    windows : Windows
        How the split is cut into samples.
    order : Order
        Which sample an index serves.
    length : int
        Number of indices; may be many epochs.
    soft_mask_weight : float
        Loss weight of lower-case bases. The default is 1, not Evo 2's 0.1: NeMo 2.7.3 casts the sum of a micro-batch's
        weights, by which it divides, to an integer, so fractional weights bias the loss a little.
    reverse_complement : bool
        Serve half of the samples, drawn anew each epoch by `seed`, from the other strand.
    """

    def __init__(
        self,
        windows: Windows,
        order: Order,
        *,
        length: int,
        seed: int = 0,
        soft_mask_weight: float = 1.0,
        reverse_complement: bool = False,
    ) -> None:
        self.windows, self.order, self.length, self.seed = windows, order, length, seed
        self.soft_mask_weight, self.reverse_complement = soft_mask_weight, reverse_complement

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self.length:
            raise IndexError(f"{index} is not in [0, {self.length})")
        return make_example(self.stored(index), self.windows.seq_length, soft_mask_weight=self.soft_mask_weight)

    def stored(self, index: int) -> Ids:
        """Stored tokens of the sample at `index`, on the strand that it is served from."""
        place = self.order(index)
        if place is None:
            return np.empty(0, dtype=np.uint8)
        stored = self.windows.read(place.sample)
        if self.reverse_complement and takes_other_strand(self.seed, place.epoch, place.sample):
            return other_strand(stored)
        return stored
