"""Windows: Megatron's over the whole stream, and those within documents, which drop nothing and never cross."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused

from corpus.samples.windows import DOCUMENTS_PER_COUNT, ConcatWindows, DocumentWindows
from corpus.store.index_format import HEADER, MAGIC, UINT8, VERSION
from corpus.store.stream import TokenStream


class Documents:
    """A stream of documents of given lengths, EOS included, that has no tokens."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._starts = np.cumsum([0, *lengths])
        self.documents, self.tokens = len(lengths), int(self._starts[-1])

    def starts(self, first: int, last: int) -> Any:
        assert 0 <= first < last <= self.documents
        return self._starts[first : last + 1]

    def read(self, start: int, stop: int) -> Any:
        raise NotImplementedError


def labels(windows: Any) -> Counter[int]:
    """How often each token of the stream is a label."""
    counts: Counter[int] = Counter()
    for sample in range(len(windows)):
        for start, stop in windows.spans(sample):
            assert 1 < stop - start <= windows.seq_length + 1
            counts.update(range(start + 1, stop))
    return counts


@pytest.mark.parametrize("seq_length", [1, 7, 64, 100_000])
def test_concatenated_windows_are_megatrons(seq_length: int) -> None:
    stream = Documents([50, 900, 3, 77])
    windows = ConcatWindows(stream, seq_length)
    assert len(windows) == -(-(stream.tokens - 1) // seq_length)
    for sample in (0, len(windows) // 2, len(windows) - 1):
        start = sample * seq_length
        assert windows.spans(sample) == ((start, min(start + seq_length + 1, stream.tokens)),)
    assert labels(windows) == Counter(range(1, stream.tokens))


def test_a_last_sample_of_exactly_the_length() -> None:
    assert len(ConcatWindows(Documents([9]), 4)) == 2  # nine tokens, eight labels


LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=40)


@given(lengths=LENGTHS, seq_length=st.integers(1, 20), data=st.data())
def test_windows_of_documents(lengths: list[int], seq_length: int, data: st.DataObject) -> None:
    """No base is lost, none is a label twice but where windows overlap, and no window is of two documents."""
    stride = data.draw(st.none() | st.integers(1, seq_length))
    stream = Documents(lengths)
    windows = DocumentWindows(stream, seq_length, stride)
    ends = stream.starts(0, stream.documents)
    expected = set(range(stream.tokens)) - set(ends.tolist())
    counts = labels(windows)
    assert counts.keys() == expected
    if stride in (None, seq_length):
        assert set(counts.values()) <= {1}
    for sample in range(len(windows)):
        ((start, stop),) = windows.spans(sample)
        document = np.searchsorted(ends, start, side="right") - 1
        assert ends[document] <= start < stop <= ends[document + 1]
        assert (start - ends[document]) % (stride or seq_length) == 0
        assert stop == min(start + seq_length + 1, ends[document + 1])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), around=st.sampled_from([-1, 0, 1, DOCUMENTS_PER_COUNT * 3 + 5]))
def test_windows_over_several_counts(seed: int, around: int) -> None:
    lengths = np.random.default_rng(seed).integers(1, 40, size=DOCUMENTS_PER_COUNT + around)
    windows = DocumentWindows(Documents(lengths.tolist()), 7)
    assert len(windows) == sum(-(-(length - 1) // 7) for length in lengths.tolist())
    spans = [windows.spans(sample)[0] for sample in range(len(windows))]
    assert spans == sorted(spans)
    assert sum(stop - start - 1 for start, stop in spans) == int((lengths - 1).sum())


@pytest.mark.parametrize(
    ("seq_length", "stride", "kind", "where"),
    [
        (0, None, "token-count", "seq_length"),
        (8, -1, "token-count", "dataset.stride"),
        (8, 9, "stride-too-long", "dataset.stride"),
    ],
)
def test_bad_lengths(seq_length: int, stride: int | None, kind: str, where: str) -> None:
    with refused(kind, where=where, names=str(stride or seq_length)):
        DocumentWindows(Documents([5]), seq_length, stride)


def write_many_documents(prefix: Path, documents: int) -> None:
    """An index of documents of 301 to 8,301 tokens, in the time that it takes to write it, and a .bin without data."""
    lengths = (np.arange(documents, dtype=np.int64) * 2654435761 % 8001 + 301).astype(np.int32)
    with open(prefix.with_suffix(".idx"), "wb") as file:
        file.write(HEADER.pack(MAGIC, VERSION, UINT8, documents, documents + 1))
        lengths.tofile(file)
        offsets = np.cumsum(lengths, dtype=np.int64)
        total = int(offsets[-1])
        offsets -= lengths
        offsets.tofile(file)
        del offsets
        np.arange(documents + 1, dtype=np.int64).tofile(file)
    with open(prefix.with_suffix(".bin"), "wb") as file:
        file.truncate(total)


def test_many_documents_are_opened_in_little_memory(tmp_path: Path) -> None:
    """A hundredth of 100 million documents; benchmarks/samples.py opens them all."""
    import tracemalloc

    write_many_documents(tmp_path / "train", 1_000_000)
    stream = TokenStream([tmp_path / "train"])
    DocumentWindows(stream, 8192)  # compiled
    tracemalloc.start()
    windows = DocumentWindows(stream, 8192)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20  # 24 bytes a document would be more
    lengths = np.arange(1_000_000, dtype=np.int64) * 2654435761 % 8001 + 301
    assert len(windows) == int((-(-(lengths - 1) // 8192)).sum())
    starts = np.cumsum(lengths) - lengths
    first = np.cumsum(-(-(lengths - 1) // 8192)) - -(-(lengths - 1) // 8192)
    for document in (0, 1023, 1024, 777_777, 999_999):
        start = int(starts[document])
        assert windows.spans(int(first[document])) == ((start, min(start + 8193, start + int(lengths[document]))),)
