"""The defaults work on one genome as on a million; what cannot work is refused before anything is read."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import prepare
from hypothesis import given
from hypothesis import strategies as st

from corpus.manifest import Manifest, verify
from corpus.preparation import prepare as preparation
from corpus.preparation.redraw import fill_empty, segment_length
from corpus.read import documents_of
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
from corpus.splits.split import TEST, TRAIN, VALIDATION, draw, unit_hashes
from corpus.splits.strand_hash import strand_hashes
from foundation.errors import InputError
from tokenizer.sequence import reverse_complement

WriteFasta = Callable[..., Path]


def genome(seed: int, length: int) -> bytes:
    return bytes(random.Random(seed).choices(b"ACGT", k=length))


def hashed(sequence: bytes) -> int:
    tokens = np.frombuffer(sequence + b"\0", dtype=np.uint8)
    return int(strand_hashes(tokens, np.array([0, len(tokens)]), seed=0)[0])


def texts(corpus: Path, split: str) -> list[bytes]:
    return [one.ids.tobytes() for one in documents_of(corpus, split)]


def counts(manifest: Manifest) -> dict[str, int]:
    return {split.name: split.documents for split in manifest.splits}


@pytest.mark.parametrize("length", [4, 100, 5_386, 60_000, 400_000])
def test_one_genome(tmp_path: Path, write_fasta: WriteFasta, length: int, capsys: pytest.CaptureFixture[str]) -> None:
    whole = b"ACCC" if length == 4 else genome(1, length)
    manifest = prepare([write_fasta({"chromosome": whole})], tmp_path / "out")
    verify(tmp_path / "out", full=True)
    assert all(counts(manifest).values())
    pieces = texts(tmp_path / "out", "train") + texts(tmp_path / "out", "validation")
    size = manifest.settings.segment_length
    assert size is not None
    assert sorted(pieces) == sorted(whole[start : start + size] for start in range(0, length, size))
    assert sum(split.bases for split in manifest.splits) == length == manifest.sources[0].bases
    assert f"--segment-length {size}" in capsys.readouterr().err


def test_twenty_genomes_are_as_with_the_segment_length_that_is_told(tmp_path: Path, write_fasta: WriteFasta) -> None:
    sources = [write_fasta({f"chromosome_{seed}": genome(seed, 30_000)}, f"{seed}.fa") for seed in range(20)]
    rule = {"validation_fraction": 0.02, "seed": 0}
    manifest = prepare(sources, tmp_path / "out", **rule)
    assert manifest.settings.segment_length == 3_000
    again = prepare(sources, tmp_path / "again", segment_length=3_000, **rule)  # type: ignore[arg-type]
    assert manifest == again
    for file in manifest.files():
        assert (tmp_path / "out" / file.name).read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_a_draw_that_works_is_left_as_it_is(tmp_path: Path, write_fasta: WriteFasta) -> None:
    manifest = prepare([write_fasta({f"r{n}": genome(n, 500) for n in range(20)})], tmp_path / "out", seed=1)
    assert manifest.settings.segment_length is None
    assert (sum(counts(manifest).values()), counts(manifest)["validation"] > 0) == (20, True)


def test_where_documents_are_many_the_nearest_is_moved(tmp_path: Path, write_fasta: WriteFasta) -> None:
    """Which one depends on its bases alone: not on the shards, the order, or the strand."""
    records = {f"r{n}": genome(n, 200) for n in range(150)}
    rule = SplitRule(validation_fraction=1e-9, test_fraction=1e-9)
    held_out = []
    for name, ordered, shard_bytes in (("a", records, 512 << 20), ("b", dict(reversed(records.items())), 4_000)):
        settings = Settings(split=rule)
        manifest = preparation.prepare(
            [write_fasta(ordered, f"{name}.fa")], tmp_path / name, settings, shard_bytes=shard_bytes
        )
        assert counts(manifest) == {"train": 148, "validation": 1, "test": 1}
        assert manifest.settings == settings
        held_out.append((texts(tmp_path / name, "validation"), texts(tmp_path / name, "test")))
    assert held_out[0] == held_out[1]
    by_hash = sorted(records.values(), key=hashed)
    assert held_out[0] == ([by_hash[0]], [by_hash[-1]])  # validation has the low end of the hashes, test the high one


def test_a_train_split_that_would_be_empty(tmp_path: Path, write_fasta: WriteFasta) -> None:
    source = write_fasta({f"r{n}": genome(n, 300) for n in range(120)})
    assert counts(prepare([source], tmp_path / "out", validation_fraction=0.99999)) == {"train": 1, "validation": 119}


def test_equal_documents_stay_together(tmp_path: Path, write_fasta: WriteFasta) -> None:
    one, two = genome(1, 900), genome(2, 900)
    other_strand = reverse_complement(np.frombuffer(one, dtype=np.uint8)).tobytes()
    records = {"a": one, "b": other_strand, "c": one.lower(), "d": two}
    manifest = prepare([write_fasta(records)], tmp_path / "out", by="record", validation_fraction=1e-9)
    assert sorted(counts(manifest).values()) in ([1, 3],)


def test_what_a_list_holds_out_stays_there(tmp_path: Path, write_fasta: WriteFasta) -> None:
    listed = tmp_path / "test.txt"
    listed.write_text("r1\n")
    records = {f"r{n}": genome(n, 4_000) for n in range(3)}
    manifest = prepare([write_fasta(records)], tmp_path / "out", validation_fraction=1e-9, test_list=listed)
    assert b"".join(texts(tmp_path / "out", "test")) == records["r1"]
    assert counts(manifest)["validation"] == 1


def test_records_with_an_empty_list_are_refused(tmp_path: Path, write_fasta: WriteFasta) -> None:
    listed = tmp_path / "held.txt"
    listed.write_text("nobody\n")
    with pytest.raises(InputError) as caught:
        prepare([write_fasta({"a": genome(1, 400)})], tmp_path / "out", validation_fraction=0, validation_list=listed)
    assert (caught.value.kind, caught.value.where) == ("empty-split", tmp_path / "out")


@pytest.mark.parametrize("options", [{"by": "record"}, {"by": "sequence", "segment_length": 1_000}])
def test_one_record_that_may_not_be_cut(tmp_path: Path, write_fasta: WriteFasta, options: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        prepare([write_fasta({"a": genome(1, 400)})], tmp_path / "out", **options)
    assert caught.value.kind == "empty-split"
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".fa"] == []


def test_whole_sources_are_refused_before_the_first_byte(
    tmp_path: Path, write_fasta: WriteFasta, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [tmp_path / f"{number}.fa" for number in range(8)]  # they are not even there
    with pytest.raises(InputError) as caught:
        prepare(sources, tmp_path / "out", by="source")
    assert caught.value.kind == "empty-split"
    seed = int(caught.value.fix.split("--seed ")[1].split(",")[0])
    works = SplitRule(by="source", seed=seed)
    assert set(draw(works, unit_hashes(works, sources)).tolist()) <= {TRAIN, VALIDATION}
    for number, source in enumerate(sources):
        write_fasta({"a": genome(number, 200)}, source.name)
    assert all(counts(prepare(sources, tmp_path / "out", by="source", seed=seed)).values())
    with pytest.raises(InputError) as alone:
        prepare(sources[:1], tmp_path / "alone", by="source")
    assert (alone.value.kind, "--seed" in alone.value.fix) == ("empty-split", False)


def test_clusters_are_refused_before_the_first_byte(tmp_path: Path) -> None:
    table = tmp_path / "x_cluster.tsv"
    table.write_text("a\ta\na\tb\n")
    with pytest.raises(InputError) as caught:
        prepare([tmp_path / "missing.fa"], tmp_path / "out", by="cluster", clusters=table)
    assert (caught.value.kind, caught.value.where) == ("empty-split", "split by cluster")


def test_nothing_to_learn_from(tmp_path: Path, write_fasta: WriteFasta) -> None:
    with pytest.raises(InputError) as caught:
        prepare([write_fasta({"a": b"NNNN" * 500, "b": b"RYNN" * 300})], tmp_path / "out")
    assert caught.value.kind == "no-trainable-base"


@given(
    splits=st.lists(st.sampled_from([TRAIN, VALIDATION, TEST]), min_size=1, max_size=12),
    drawn=st.sampled_from([[TRAIN, VALIDATION], [TRAIN, TEST], [TRAIN, VALIDATION, TEST]]),
)
def test_filling(splits: list[int], drawn: list[int]) -> None:
    before = np.array([split if split in drawn else TRAIN for split in splits], dtype=np.uint8)
    after, filled = fill_empty(before, drawn)
    if len(before) >= len(drawn):
        assert set(after.tolist()) == set(drawn)
    assert int((before != after).sum()) == len(filled) <= len(drawn)
    assert not set(filled) & set(before.tolist())


@given(documents=st.integers(1, 200), bases=st.integers(1, 10**11))
def test_segment_lengths(documents: int, bases: int) -> None:
    length = segment_length(documents, bases)
    assert (length is None) == (documents >= 100)
    if length is not None:
        assert 1 <= length <= 100_000
        assert -(-bases // length) >= min(4, bases)
        assert length >= 1_000 or bases < 4_000
