"""Samples of a token stream: every label once an epoch, in an order that depends on the index alone."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from conduct.errors import InputError
from corpus.samples.datasets import evaluation_dataset, train_dataset
from corpus.samples.example import other_strand
from corpus.samples.order import Place, Shuffled, Spaced
from corpus.samples.windows import ConcatWindows, SampleDataset
from corpus.store.index import TokenIndex
from corpus.store.index_writer import IndexWriter
from tokenizer.sequence import to_upper


@pytest.fixture
def index(tmp_path: Path, contigs: dict[str, bytes]) -> TokenIndex:
    for split in ("train", "validation"):
        with IndexWriter(tmp_path / split) as writer:
            for sequence in contigs.values():
                writer.add_document(sequence, b"\0")
    return TokenIndex(tmp_path / "train")


@pytest.mark.parametrize("seq_length", [1, 7, 64, 100_000])
def test_windows_are_megatrons(index: TokenIndex, seq_length: int) -> None:
    windows = ConcatWindows(index, seq_length)
    stream = index.read(0, index.tokens)
    assert len(windows) == -(-(index.tokens - 1) // seq_length)
    for sample in (0, len(windows) // 2, len(windows) - 1):
        expected = stream[sample * seq_length : sample * seq_length + seq_length + 1]
        assert windows.read(sample).tolist() == expected.tolist()


def test_a_last_sample_of_exactly_the_length(tmp_path: Path) -> None:
    with IndexWriter(tmp_path / "x") as writer:
        writer.add_document(b"ACGTACGT\0")
    assert len(ConcatWindows(TokenIndex(tmp_path / "x"), 4)) == 2  # nine tokens, eight labels


def test_every_label_once_an_epoch(index: TokenIndex) -> None:
    windows = ConcatWindows(index, 64)
    dataset = train_dataset(
        index.prefix.parent,
        seq_length=64,
        length=3 * len(windows),
        seed=9,
        soft_mask_weight=1.0,
        reverse_complement=False,
    )
    orders = []
    for epoch in range(3):
        indices = range(epoch * len(windows), (epoch + 1) * len(windows))
        places = [dataset.order(i) for i in indices]
        assert {place.epoch for place in places if place} == {epoch}
        orders.append([place.sample for place in places if place])
        by_sample = {place.sample: dataset[i]["labels"] for i, place in zip(indices, places, strict=True) if place}
        labels = np.concatenate([by_sample[sample] for sample in range(len(windows))])
        assert labels[: index.tokens - 1].tolist() == to_upper(index.read(1, index.tokens)).tolist()
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_an_index_does_not_depend_on_the_length_or_the_process(index: TokenIndex) -> None:
    short, long = (
        train_dataset(
            index.prefix.parent, seq_length=64, length=length, seed=9, soft_mask_weight=0.1, reverse_complement=True
        )
        for length in (50, 10**12)
    )
    copy: SampleDataset = pickle.loads(pickle.dumps(long))
    for i in (49, 0, 17):
        for other in (long, copy):
            np.testing.assert_equal(dict(other[i]), dict(short[i]))
    with pytest.raises(IndexError):
        short[50]


def test_half_of_the_samples_are_of_the_other_strand(index: TokenIndex) -> None:
    windows = ConcatWindows(index, 16)
    order = Shuffled(samples=len(windows), seed=1)
    dataset = SampleDataset(windows, order, length=2 * len(windows), seed=1, reverse_complement=True)
    turned = 0
    for i in range(len(dataset)):
        forward = windows.read(order(i).sample)
        assert dataset.stored(i).tolist() in (forward.tolist(), other_strand(forward).tolist())
        turned += dataset.stored(i).tolist() != forward.tolist()
    assert abs(turned / len(dataset) - 0.5) < 0.05


def test_spaced_samples() -> None:
    assert [Spaced(samples=10, count=4)(i) for i in range(5)] == [
        Place(0, 0),
        Place(0, 2),
        Place(0, 5),
        Place(0, 7),
        None,
    ]
    assert [Spaced(samples=2, count=4)(i) for i in range(4)] == [Place(0, 0), Place(0, 1), None, None]


@pytest.mark.parametrize(
    ("limit", "real", "length"),
    [(2, 8, 8), (1, 4, 4), (1.0, None, None), (0.5, None, None), (10**6, None, None), (1e-9, 1, 4)],
)
def test_evaluation_sizes(index: TokenIndex, limit: int | float, real: int | None, length: int | None) -> None:
    total = len(ConcatWindows(index, 64))
    dataset = evaluation_dataset(
        index.prefix.parent, "validation", seq_length=64, limit=limit, global_batch_size=4, soft_mask_weight=1.0
    )
    expected = real or (total // 2 if limit == 0.5 else total)
    samples = [place.sample for i in range(len(dataset)) if (place := dataset.order(i))]
    assert len(samples) == len(set(samples)) == expected
    assert samples[0] == 0
    assert len(dataset) == (length or -(-expected // 4) * 4)
    assert sum(bool(dataset[i]["loss_mask"].any()) for i in range(len(dataset))) == expected


def test_a_bad_seq_length(index: TokenIndex) -> None:
    with pytest.raises(InputError, match="seq_length: is 0"):
        ConcatWindows(index, 0)
