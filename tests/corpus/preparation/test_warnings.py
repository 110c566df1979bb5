"""What `prepare` tells: relatives on both sides of a split, sources that are nearly the same, lower case throughout."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corpora import prepare
from hypothesis import given
from hypothesis import strategies as st

from corpus.manifest import read_manifest
from corpus.preparation import prepare as preparation
from corpus.preparation.sketches import near_identical
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
from corpus.splits.sketch import K, Sketch, sketch_hashes
from tokenizer.sequence import reverse_complement

WriteFasta = Callable[..., Path]


def genome(seed: int, length: int) -> bytes:
    return bytes(random.Random(seed).choices(b"ACGT", k=length))


def mutated(sequence: bytes, changes: int, seed: int = 0) -> bytes:
    changed = bytearray(sequence)
    for place in random.Random(seed).sample(range(len(changed)), changes):
        changed[place] = b"CGTA"[b"ACGT".index(changed[place])]
    return bytes(changed)


def other_strand(sequence: bytes) -> bytes:
    return reverse_complement(np.frombuffer(sequence, dtype=np.uint8)).tobytes()


@given(seed=st.integers(0, 1000), length=st.integers(0, 3000))
def test_the_sketch_is_that_of_a_plain_search(seed: int, length: int) -> None:
    sequence = bytes(random.Random(seed).choices(b"ACGTacgtN", weights=[9] * 8 + [1], k=length))
    upper = sequence.upper()
    expected = [
        place
        for place in range(length - K + 1)
        if upper[place + 14 : place + 18] == b"TGCA" and b"N" not in upper[place : place + K]
    ]
    places, hashes = sketch_hashes(np.frombuffer(sequence, dtype=np.uint8))
    assert places.tolist() == expected
    turned = sketch_hashes(np.frombuffer(other_strand(sequence), dtype=np.uint8))[1]
    assert sorted(hashes.tolist()) == sorted(turned.tolist())
    kmers = {min(upper[place : place + K], other_strand(upper[place : place + K])) for place in expected}
    assert len(set(hashes.tolist())) == len(kmers)


@given(st.lists(st.lists(st.integers(0, 50), max_size=30), max_size=20))
def test_a_sketch_keeps_the_lowest(groups: list[list[int]]) -> None:
    sketch = Sketch(7)
    for group in groups:
        sketch.add(np.array(group, dtype=np.uint64))
    assert sketch.hashes().tolist() == sorted({value for group in groups for value in group})[:7]


def told(sources: list[Path], out: Path, capsys: pytest.CaptureFixture[str], **split: object) -> str:
    prepare(sources, out, **split)
    return capsys.readouterr().err


def test_sources_that_are_nearly_the_same(
    tmp_path: Path, write_fasta: WriteFasta, capsys: pytest.CaptureFixture[str]
) -> None:
    sequence = genome(1, 200_000)
    first = write_fasta({"a": sequence}, "first.fa")
    near = write_fasta({"b": other_strand(mutated(sequence, 200))}, "near.fa")  # 99.9%, and the other strand
    cousin = write_fasta({"c": mutated(sequence, 6_000)}, "cousin.fa")  # 97%
    stranger = write_fasta({"d": genome(2, 200_000)}, "stranger.fa")
    err = told([first, stranger, near, cousin], tmp_path / "out", capsys, validation_fraction=0)
    assert [line for line in err.splitlines() if "% the same as" in line] == [
        line for line in err.splitlines() if str(near) in line and str(first) in line
    ]
    share = float(err.split("% the same as")[0].split()[-1])
    assert 99.85 < share < 99.95


def test_the_same_records_are_told_once(
    tmp_path: Path, write_fasta: WriteFasta, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [write_fasta({"a": genome(1, 90_000)}, name) for name in ("a.fa", "b.fa")]
    err = told(sources, tmp_path / "out", capsys, validation_fraction=0)
    assert err.count("warning:") == 1
    assert "twice" in err


@pytest.mark.parametrize("shard_bytes", [1 << 29, 60_000])
def test_relatives_on_both_sides(tmp_path: Path, write_fasta: WriteFasta, shard_bytes: int) -> None:
    """Half of what is held out has a copy in train, with 1% of other bases: 0.99**32 of its 32-mers are there."""
    ancestors = [genome(seed, 50_000) for seed in range(40)]
    records = {f"r{n}": sequence for n, sequence in enumerate(ancestors)}
    records |= {f"copy_of_{n}": other_strand(mutated(ancestors[n], 500, n)) for n in range(10)}
    records |= {f"alone_{n}": genome(100 + n, 50_000) for n in range(10)}
    held = tmp_path / "held.txt"
    held.write_text("".join(f"{name}\n" for name in records if not name.startswith("r")))
    rule = SplitRule(validation_fraction=0, validation_list=held)
    preparation.prepare([write_fasta(records)], tmp_path / "out", Settings(split=rule), shard_bytes=shard_bytes)
    found = read_manifest(tmp_path / "out").resemblance
    assert found is not None
    assert found.splits["validation"].looked_at > 1_000
    assert found.splits["validation"].share == pytest.approx(0.5 * 0.99**32, abs=0.03)


def test_nothing_is_told_of_strangers(
    tmp_path: Path, write_fasta: WriteFasta, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [write_fasta({f"r{n}": genome(n, 60_000)}, f"{n}.fa") for n in range(12)]
    assert "warning" not in (err := told(sources, tmp_path / "out", capsys, validation_fraction=0.3)), err
    assert "are in train too" not in err


def test_a_source_in_lower_case(tmp_path: Path, write_fasta: WriteFasta, capsys: pytest.CaptureFixture[str]) -> None:
    low = write_fasta({"a": genome(1, 400).lower(), "b": b"acgtn" * 30}, "low.fa")
    mixed = write_fasta({"c": genome(2, 400).lower() + b"A"}, "mixed.fa")
    err = told([low, mixed], tmp_path / "out", capsys, validation_fraction=0)
    assert f"warning: {low} is in lower case throughout" in err
    assert str(mixed) not in err


def test_long_lists_are_shortened(tmp_path: Path, write_fasta: WriteFasta, capsys: pytest.CaptureFixture[str]) -> None:
    sources = [write_fasta({"a": genome(n, 300).lower()}, f"{n}.fa") for n in range(9)]
    err = told(sources, tmp_path / "out", capsys, validation_fraction=0)
    assert err.count("is in lower case throughout") == 5
    assert "4 more sources are in lower case throughout" in err


def test_many_copies_are_compared_with_the_first_alone(tmp_path: Path) -> None:
    hashes = np.arange(1, 200, dtype=np.uint64)
    rows = np.empty(300 * len(hashes), dtype=[("owner", "<i4"), ("hash", "<u8")])
    rows["owner"], rows["hash"] = np.repeat(np.arange(300), len(hashes)), np.tile(hashes, 300)
    assert [(pair.first, pair.second, pair.identity) for pair in near_identical([rows])] == [
        (0, number, 1.0) for number in range(1, 300)
    ]
    assert list(near_identical([rows[:0]])) == []
