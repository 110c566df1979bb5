"""Packing: complete documents if they fit, every label once, almost no padding, and a file that is checked."""

import pickle
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal import refused

from corpus.samples.dataset import SampleDataset
from corpus.samples.order import EvenlySpaced
from corpus.samples.packed import HEADER, PackedWindows, ensure_packed, write_packing
from corpus.samples.packing import cut, pack
from tokenizer.vocabulary import PAD

DIGEST = bytes(range(32))


def best_fit_decreasing(lengths: list[int], seq_length: int) -> list[int]:
    """By the book: how full each window is."""
    windows: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [number for number, full in enumerate(windows) if full + length <= seq_length]
        if fitting:
            windows[max(fitting, key=lambda number: windows[number])] += length
        else:
            windows.append(length)
    return sorted(windows)


@given(seq_length=st.integers(1, 200), data=st.data())
def test_packing_is_best_fit_decreasing(seq_length: int, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, seq_length), max_size=80))
    packing = pack(np.array(lengths, dtype=np.int64), seq_length)
    assert sorted(packing.order.tolist()) == list(range(len(lengths)))
    windows = [packing.order[a:b].tolist() for a, b in pairwise(packing.first)]
    assert all(window == sorted(window) for window in windows)
    assert sorted(sum(lengths[piece] for piece in window) for window in windows) == best_fit_decreasing(
        lengths, seq_length
    )


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=30), seq_length=st.integers(1, 20))
def test_pieces(lengths: list[int], seq_length: int) -> None:
    starts = np.cumsum([0, *lengths])
    first, length = cut(starts, seq_length)
    assert length.min(initial=1) >= 1
    assert length.max(initial=1) <= seq_length
    seen = [place for start, count in zip(first, length, strict=True) for place in range(start + 1, start + count + 1)]
    assert sorted(seen) == sorted(set(range(starts[-1])) - set(starts.tolist()))
    assert len(first) == sum(-(-(n - 1) // seq_length) for n in lengths)


def test_almost_no_padding() -> None:
    """The lengths of metagenomic documents: median 2,200, mean 4,000."""
    documents = np.random.default_rng(0).lognormal(np.log(2200), 1.093, size=60_000).astype(np.int64) + 2
    assert abs(documents.mean() / 4000 - 1) < 0.05
    _, labels = cut(np.cumsum([0, *documents.tolist()]), 8192)
    windows = len(pack(labels, 8192).first) - 1
    assert labels.sum() / (windows * 8192) > 0.999


@pytest.fixture
def documents(contigs: dict[str, bytes]) -> list[bytes]:
    return list(contigs.values())


@pytest.mark.parametrize("multiple", [2, 4, 16])
def test_documents_are_padded_to_a_multiple(
    tmp_path: Path, write_split: Any, documents: list[bytes], multiple: int
) -> None:
    """Each piece whole and in its own room, every label once; and a packing of another multiple is another."""
    stream, path = write_split(documents), tmp_path / "train.pack"
    write_packing(stream, path, 128, DIGEST, multiple)
    windows = PackedWindows(stream, path, 128, DIGEST, multiple)
    with refused("packing-of-another", where=path):
        PackedWindows(stream, path, 128, DIGEST)
    samples, labels = len(windows), 0
    dataset = SampleDataset([windows], EvenlySpaced(samples=samples, count=samples), length=samples)
    for number in range(samples):
        example, ends = dataset[number], dataset[number]["cu_seqlens"].tolist()
        assert all(end % multiple == 0 for end in ends)
        assert ends[-1] == 128
        for (start, stop), (place, end) in zip(windows.spans(number), pairwise(ends), strict=False):  # then padding
            last = place + stop - start - 1
            assert example["tokens"][place:last].tobytes() == stream.read(start, stop - 1).tobytes().upper()
            assert (example["tokens"][last:end] == PAD.id).all()
            assert not example["loss_mask"][last:end].any()
            labels += stop - start - 1
    assert labels == stream.tokens - stream.documents


def test_a_packing_on_disk(tmp_path: Path, write_split: Any, documents: list[bytes]) -> None:
    stream, path = write_split(documents), tmp_path / "train.128.pack"
    with pytest.raises(FileNotFoundError):
        PackedWindows(stream, path, 128, DIGEST)
    write_packing(stream, path, 128, DIGEST)
    windows: PackedWindows = pickle.loads(pickle.dumps(PackedWindows(stream, path, 128, DIGEST)))
    counts: Counter[int] = Counter()
    for sample in range(len(windows)):
        spans = windows.spans(sample)
        assert sum(stop - start - 1 for start, stop in spans) <= 128
        assert spans == sorted(spans)
        for start, stop in spans:
            assert 0 not in stream.read(start, stop - 1).tolist()  # an EOS is never an input: one document only
            counts.update(range(start + 1, stop))
    starts = set(stream.starts(0, stream.documents).tolist())
    assert counts == Counter(set(range(stream.tokens)) - starts)
    assert sum(stop - start - 1 for sample in range(len(windows)) for start, stop in windows.spans(sample)) > (
        0.97 * 128 * len(windows)
    )
    assert path.read_bytes() == rewritten(stream, path)


def rewritten(stream: Any, path: Path) -> bytes:
    write_packing(stream, path, 128, DIGEST)
    return path.read_bytes()


def test_a_packing_is_made_once_and_anew_for_other_content(
    tmp_path: Path, write_split: Any, documents: list[bytes]
) -> None:
    stream, path = write_split(documents), tmp_path / "train.128.pack"
    ensure_packed(stream, path, 128, DIGEST)
    made = path.stat().st_mtime_ns
    ensure_packed(stream, path, 128, DIGEST)
    assert path.stat().st_mtime_ns == made
    with refused("packing-of-another", where="train.128.pack"):
        PackedWindows(stream, path, 128, bytes(32))
    ensure_packed(stream, path, 128, bytes(32))
    PackedWindows(stream, path, 128, bytes(32))


def test_a_damaged_packing(tmp_path: Path, write_split: Any, documents: list[bytes]) -> None:
    stream, path = write_split(documents), tmp_path / "train.128.pack"
    write_packing(stream, path, 128, DIGEST)
    good = path.read_bytes()
    for content, kind in (
        (good[:-1], "packing-truncated"),
        (good[:20], "not-a-packing"),
        (b"x" * 500, "not-a-packing"),
    ):
        path.write_bytes(content)
        with refused(kind, where="train.128.pack"):
            PackedWindows(stream, path, 128, DIGEST)
    path.write_bytes(good)
    windows = PackedWindows(stream, path, 128, DIGEST)
    path.write_bytes(good[: HEADER.size])
    with refused("file-shrank", where="train.128.pack"):
        windows.spans(0)


def test_a_flipped_bit_of_a_packing_is_found(tmp_path: Path, write_split: Any, documents: list[bytes]) -> None:
    stream, path = write_split(documents), tmp_path / "train.128.pack"
    write_packing(stream, path, 128, DIGEST)
    good = path.read_bytes()
    PackedWindows(stream, path, 128, DIGEST).verify()
    for place in (HEADER.size, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with refused("packing-damaged", where="train.128.pack"):
            PackedWindows(stream, path, 128, DIGEST).verify()
        ensure_packed(stream, path, 128, DIGEST)
        assert path.read_bytes() == good


def test_an_interrupted_packing_leaves_the_old_one(
    tmp_path: Path, write_split: Any, documents: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from corpus.samples import packed

    stream, path = write_split(documents), tmp_path / "train.128.pack"
    write_packing(stream, path, 128, DIGEST)
    before = path.read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packed, "pack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_packing(stream, path, 128, bytes(32))
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"train.bin", "train.idx", "train.128.pack"}
