"""Ways to cut the token stream of a split into samples of a fixed length; `packed.PackedWindows` is one more."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from foundation.errors import InputError
from tokenizer.sequence import Ids

Span = tuple[int, int]
"""Stored tokens [start, stop) of the stream: the inputs are all but the last of them, the labels all but the first."""


class Stream(Protocol):
    """An opened split. `starts(first, last)`: where documents [first, last) begin, then where the last of them ends."""

    @property
    def tokens(self) -> int: ...
    @property
    def documents(self) -> int: ...
    def read(self, start: int, stop: int, /) -> Ids: ...
    def starts(self, first: int, last: int, /) -> npt.NDArray[np.int64]: ...


class Windows(Protocol):
    """A way to cut a split into samples. A new one has these members, and `SampleDataset` serves it.

    `packed`: its spans are documents, or parts of such, that must not attend to one another. `multiple`: of tokens,
    that each span is padded to.
    """

    stream: Stream
    seq_length: int
    packed: bool
    multiple: int

    def __len__(self) -> int:
        """Samples in one pass over the split."""
        ...

    def spans(self, sample: int, /) -> Sequence[Span]:
        """What one sample holds, in order: at most seq_length inputs together."""
        ...


class ConcatWindows:
    """All documents end to end, cut every `seq_length` tokens, as Megatron's GPTDataset does.

    Sample i holds tokens [i*S, i*S + S + 1): the last label of one sample is the first input of the next, so that every
    token but the first is a label once. The last sample may be shorter. Documents attend to those before them.
    """

    packed = False
    multiple = 1

    def __init__(self, stream: Stream, seq_length: int) -> None:
        self.stream, self.seq_length = stream, check_length("seq_length", seq_length)

    def __len__(self) -> int:
        return -(-(self.stream.tokens - 1) // self.seq_length)

    def spans(self, sample: int) -> Sequence[Span]:
        """One span of seq_length + 1 tokens, or fewer in the last sample."""
        start = sample * self.seq_length
        return ((start, min(start + self.seq_length + 1, self.stream.tokens)),)


def document_at(stream: Stream, token: int) -> int:
    """The number of the document that holds a token of the stream."""

    def start(number: int) -> int:
        return int(stream.starts(number, number + 1)[0])

    return bisect_right(range(stream.documents), token, key=start) - 1


DOCUMENTS_PER_COUNT = 256
"""Documents to one cumulative count of windows; the counts of 100 million documents take 3 MB."""

_COUNTS_AT_ONCE = 512


class DocumentWindows:
    """Windows within a document, one every `stride` tokens (default: `seq_length`), never across two.

    Window k of a document holds its tokens [k*stride, k*stride + S + 1), as far as it goes; the last one is what is
    left, and is padded. No base is dropped: with stride S every token but a document's first is a label exactly once,
    with a smaller stride those of the overlaps are so more than once.

    Opening reads 16 bytes a document, once; memory: 8 bytes per 256 documents. Errors: `InputError`.
    """

    packed = False
    multiple = 1

    def __init__(self, stream: Stream, seq_length: int, stride: int | None = None) -> None:
        self.stream, self.seq_length = stream, check_length("seq_length", seq_length)
        self.stride = seq_length if stride is None else check_stride(stride, seq_length)
        self._first_window = self._count()  # [counts + 1]

    def __len__(self) -> int:
        return int(self._first_window[-1])

    def spans(self, sample: int) -> Sequence[Span]:
        """One span, within a document."""
        block = _last_at_most(self._first_window, sample)
        first = block * DOCUMENTS_PER_COUNT
        starts = self.stream.starts(first, min(first + DOCUMENTS_PER_COUNT, self.stream.documents))
        window = sample - int(self._first_window[block])
        return (_span(starts, window, self.seq_length, self.stride),)

    def _count(self) -> npt.NDArray[np.int64]:
        documents = self.stream.documents
        counts = np.zeros(-(-documents // DOCUMENTS_PER_COUNT) + 1, dtype=np.int64)
        for block in range(0, len(counts) - 1, _COUNTS_AT_ONCE):
            first = block * DOCUMENTS_PER_COUNT
            starts = self.stream.starts(first, min(first + _COUNTS_AT_ONCE * DOCUMENTS_PER_COUNT, documents))
            _count_windows(starts, self.seq_length, self.stride, counts[block + 1 :])
        totals: npt.NDArray[np.int64] = np.cumsum(counts)
        return totals


def check_length(name: str, tokens: int) -> int:
    """`tokens`, after the check that it is a length. Errors: `InputError`."""
    if tokens < 1:
        raise InputError(f"is {tokens}", where=name, fix="Give a number of tokens above 0.", kind="token-count")
    return tokens


def check_stride(stride: int, seq_length: int) -> int:
    """`stride`, after the check that windows of `seq_length` leave no gaps. Errors: `InputError`."""
    if check_length("dataset.stride", stride) > seq_length:
        problem = f"is {stride}, above the sequence length of {seq_length}"
        raise InputError(
            problem,
            where="dataset.stride",
            fix="Bases between two windows would be lost; lower it.",
            kind="stride-too-long",
        )
    return stride


@njit(cache=True, nogil=True)
def _windows(labels, seq_length, stride):  # type: ignore[no-untyped-def]
    """Windows of a document of so many labels."""
    if labels <= seq_length:
        return min(labels, 1)
    return (labels - seq_length + stride - 1) // stride + 1


@njit(cache=True, nogil=True)
def _count_windows(starts, seq_length, stride, counts):  # type: ignore[no-untyped-def]
    for document in range(len(starts) - 1):
        labels = starts[document + 1] - starts[document] - 1
        counts[document // DOCUMENTS_PER_COUNT] += _windows(labels, seq_length, stride)


@njit(cache=True, nogil=True)
def _span(starts, window, seq_length, stride):  # type: ignore[no-untyped-def]
    """Stored tokens of the `window`th window of the documents at `starts`."""
    document = 0
    while True:
        labels = starts[document + 1] - starts[document] - 1
        count = _windows(labels, seq_length, stride)
        if window < count:
            start = starts[document] + window * stride
            return start, min(start + seq_length + 1, starts[document + 1])
        window -= count
        document += 1


@njit(cache=True, nogil=True)
def _last_at_most(values, value):  # type: ignore[no-untyped-def]
    """Of sorted `values`, the last that is not above `value`."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        if values[middle] <= value:
            low = middle
        else:
            high = middle
    return low
