"""Datasets of prepared corpora: every label once an epoch, in an order that depends on the index alone."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import prepare
from refusal import refused

from corpus.markup import find_tags, reverse_complement_stretches
from corpus.read import open_split
from corpus.samples.dataset import SampleDataset
from corpus.samples.datasets import MODES, Cutting, evaluation_dataset, pack_corpus, train_dataset
from corpus.samples.order import Consecutive, EvenlySpaced, Place
from corpus.samples.windows import ConcatWindows, DocumentWindows
from tokenizer.sequence import to_upper

LENGTH = 64


@pytest.fixture
def corpus(tmp_path: Path, write_fasta: Callable[..., Path], contigs: dict[str, bytes]) -> Path:
    prepare([write_fasta(contigs)], tmp_path / "corpus", validation_fraction=0.4)
    pack_corpus(tmp_path / "corpus", LENGTH)
    return tmp_path / "corpus"


def training(*corpora: Path, mode: str = "concat", length: int = 10**12, **changes: Any) -> SampleDataset:
    options = {"seed": 9, "soft_mask_weight": 0.1, "markup_weight": 0.0, "reverse_complement": True} | changes
    weights = [1.0 + number for number in range(len(corpora))]
    return train_dataset(corpora, weights, Cutting(seq_length=LENGTH, mode=mode), length=length, **options)


@pytest.mark.parametrize("mode", MODES)
def test_every_label_once_an_epoch(corpus: Path, mode: str) -> None:
    dataset = training(corpus, mode=mode, reverse_complement=False)
    stream = open_split(corpus, "train")
    size = len(dataset.sources[0])
    firsts = {0} if mode == "concat" else set(stream.starts(0, stream.documents)[:-1].tolist())
    expected = to_upper(stream.read(0, stream.tokens))[[n for n in range(stream.tokens) if n not in firsts]]
    orders = []
    for epoch in range(3):
        places = [dataset.order(epoch * size + i) for i in range(size)]
        assert {place.epoch for place in places if place} == {epoch}
        orders.append([place.sample for place in places if place])
        assert sorted(orders[-1]) == list(range(size))
        labels = np.concatenate([dataset[epoch * size + i]["labels"] for i in range(size)])
        labels = labels[labels != 1]  # PAD
        assert np.array_equal(np.bincount(labels, minlength=256), np.bincount(expected, minlength=256))
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


@pytest.mark.parametrize("mode", MODES)
def test_an_index_does_not_depend_on_the_length_or_the_process(corpus: Path, mode: str) -> None:
    short, long = (training(corpus, mode=mode, length=length) for length in (50, 10**12))
    copy: SampleDataset = pickle.loads(pickle.dumps(long))
    for i in (49, 0, 17):
        for other in (long, copy):
            np.testing.assert_equal(dict(other[i]), dict(short[i]))
    with pytest.raises(IndexError):
        short[50]


@pytest.mark.parametrize("mode", MODES)
def test_half_of_the_samples_are_of_the_other_strand(corpus: Path, mode: str) -> None:
    dataset = training(corpus, mode=mode, soft_mask_weight=1.0)
    count, turned = 400, 0
    for i in range(count):
        place = dataset.order(i)
        assert place is not None
        both = [[], []]  # type: ignore[var-annotated]
        for stored, before in dataset.runs(place.source, place.sample):
            run = stored[before:]
            for strand, tokens in zip(both, (run, reverse_complement_stretches(run, find_tags(run))), strict=True):
                strand.extend(to_upper(tokens)[:-1].tolist())
        served = dataset[i]["tokens"][: len(both[0])].tolist()
        assert served in both
        turned += served != both[0]
    assert abs(turned / count - 0.5) < 0.1


def test_packed_samples_say_where_documents_begin(corpus: Path) -> None:
    dataset = training(corpus, mode="packed")
    for i in range(40):
        place, example = dataset.order(i), dataset[i]
        assert place is not None
        runs = dataset.runs(place.source, place.sample)
        ends = np.cumsum([0] + [len(stored) - before - 1 for stored, before in runs]).tolist()
        assert example["cu_seqlens"].tolist() == ends + [LENGTH] * (ends[-1] < LENGTH)
        assert example["cu_seqlens"].dtype == np.int32
    assert "cu_seqlens" not in training(corpus, mode="window")[0]


def test_windows_with_a_stride(corpus: Path) -> None:
    windows = Cutting(seq_length=LENGTH, mode="window", stride=40).windows(corpus, "train")
    assert isinstance(windows, DocumentWindows)
    assert windows.stride == 40


def test_a_blend(corpus: Path, tmp_path: Path) -> None:
    """A source of a blend is served as if it were alone, only thinned out."""
    other = Path(shutil.copytree(corpus, tmp_path / "other"))
    mixed = training(corpus, other, mode="window")
    examples = [mixed[i] for i in range(900)]
    sources = [example["source"] for example in examples]
    assert abs(sources.count(1) - 600) < 60
    places = [mixed.order(i) for i in range(65536)]
    alone = [mixed.sources[0].spans(place.sample) for place in places if place and place.source == 0]
    size = len(mixed.sources[0])
    assert len({place.sample for place in places if place and (place.source, place.epoch) == (0, 0)}) == size
    assert len(alone) == round(65536 / 3)


def test_spaced_samples() -> None:
    assert [EvenlySpaced(samples=10, count=4)(i) for i in range(5)] == [
        Place(0, 0, 0),
        Place(0, 0, 2),
        Place(0, 0, 5),
        Place(0, 0, 7),
        None,
    ]
    assert [EvenlySpaced(samples=2, count=4)(i) for i in range(4)] == [Place(0, 0, 0), Place(0, 0, 1), None, None]
    several = Consecutive(orders=[EvenlySpaced(samples=2, count=4), EvenlySpaced(samples=9, count=3, source=1)])
    assert [several(i) for i in range(6)] == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 3), (1, 0, 6), None]


@pytest.mark.parametrize(
    ("limit", "real", "length"),
    [(2, 8, 8), (1, 4, 4), (1.0, None, None), (0.5, None, None), (10**6, None, None), (1e-9, 1, 4)],
)
def test_evaluation_sizes(corpus: Path, limit: int | float, real: int | None, length: int | None) -> None:
    total = len(ConcatWindows(open_split(corpus, "validation"), LENGTH))
    dataset = evaluation([corpus], [1.0], limit=limit)
    expected = real or (total // 2 if limit == 0.5 else total)
    samples = [place.sample for i in range(len(dataset)) if (place := dataset.order(i))]
    assert len(samples) == len(set(samples)) == expected
    assert samples[0] == 0
    assert len(dataset) == (length or -(-expected // 4) * 4)
    assert sum(bool(dataset[i]["loss_mask"].any()) for i in range(len(dataset))) == expected


def evaluation(corpora: list[Path], weights: list[float], *, limit: int | float, mode: str = "concat") -> SampleDataset:
    options = {"limit": limit, "global_batch_size": 4, "soft_mask_weight": 1.0, "markup_weight": 0.0}
    cutting = Cutting(seq_length=LENGTH, mode=mode)
    return evaluation_dataset(corpora, weights, "validation", cutting, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_evaluation_of_a_blend(corpus: Path, tmp_path: Path, mode: str) -> None:
    other = Path(shutil.copytree(corpus, tmp_path / "other"))
    dataset = evaluation([corpus, other], [0.05, 1.0], limit=3, mode=mode)
    assert [dataset[i]["source"] for i in range(12)] == [0] + [1] * 11
    assert len(dataset) == 12


@pytest.mark.parametrize(
    ("change", "kind", "key", "names"),
    [
        ({"seq_length": 0}, "token-count", "sequence_length", "0"),
        ({"mode": "windows"}, "sample-mode", "mode", "'windows'"),
        ({"stride": 5}, "stride-without-window", "stride", "5"),
        ({"mode": "window", "stride": 65}, "stride-too-long", "stride", "64"),
    ],
)
def test_bad_settings(corpus: Path, change: dict[str, Any], kind: str, key: str, names: str) -> None:
    with refused(kind, where=f"dataset.{key}", names=names):
        Cutting(**({"seq_length": LENGTH} | change)).windows(corpus, "train")


def test_a_length_that_does_not_hold_padded_documents(corpus: Path) -> None:
    with refused("document-multiple", names="66", fix="68"):
        pack_corpus(corpus, 66, 4)
