"""Splits: by sequence, by source, by cluster and by list; functions of names and bases alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused

from corpus.scan.batch import Batch, BatchBuilder
from corpus.splits.rule import SPLITS, SplitRule
from corpus.splits.split import Splitter


def batch(**records: bytes) -> Batch:
    builder = BatchBuilder()
    for name, sequence in records.items():
        assert not list(builder.add(name, "", sequence))
    return next(builder.finish())


def assign(records: Batch, source: str = "a.fa", **rule: Any) -> dict[str, str]:
    splitter = Splitter(SplitRule(**rule))
    splits = splitter.by_sequence(splitter.by_record(records, Path(source)), records.tokens, records.bounds)
    return {name: SPLITS[split] for name, split in zip(records.names, splits, strict=True)}


@pytest.fixture(scope="module")
def many() -> Batch:
    random = np.random.default_rng(0)
    return batch(**{f"r{n}": random.choice(list(b"ACGT"), size=30).astype(np.uint8).tobytes() for n in range(4000)})


def test_shares_are_kept_and_nest(many: Batch) -> None:
    narrow = assign(many, validation_fraction=0.1, test_fraction=0.1, seed=1)
    wide = assign(many, validation_fraction=0.2, test_fraction=0.1, seed=1)
    for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert abs(sum(split == name for split in narrow.values()) / 4000 - share) < 0.025
    assert all(wide[name] == "validation" for name, split in narrow.items() if split == "validation")
    assert all((wide[name] == "test") == (split == "test") for name, split in narrow.items())
    assert assign(many, validation_fraction=0.1, test_fraction=0.1, seed=2) != narrow


def test_a_whole_source_goes_one_way(many: Batch) -> None:
    rule: dict[str, Any] = {"by": "source", "validation_fraction": 0.3, "test_fraction": 0.3}
    found = {source: set(assign(many, source, **rule).values()) for source in (f"genome{n}.fa" for n in range(60))}
    assert all(len(splits) == 1 for splits in found.values())
    assert {split for splits in found.values() for split in splits} == set(SPLITS)
    assert set(assign(many, "/elsewhere/genome7.fa", **rule).values()) == found["genome7.fa"]


def test_clusters_stay_together(tmp_path: Path, many: Batch) -> None:
    clusters = tmp_path / "_cluster.tsv"
    clusters.write_text("".join(f"r{n - n % 8}\tr{n}\n" for n in range(4000)))
    splits = assign(many, by="cluster", clusters=clusters, validation_fraction=0.25)
    assert all(splits[f"r{n}"] == splits[f"r{n - n % 8}"] for n in range(4000))
    assert 0.15 < sum(split == "validation" for split in splits.values()) / 4000 < 0.35


@pytest.mark.parametrize(
    ("text", "kind", "where", "names"),
    [
        ("r0\tr0\n", "record-in-no-cluster", "a.fa, record 'r1'", "clusters.tsv"),
        ("r0\tr0\nr0 r1\n", "cluster-line", "clusters.tsv, line 2", ""),
        ("r0\tr1\nr0\tr0\nr1\tr1\n", "record-in-two-clusters", "clusters.tsv", "'r1'"),
    ],
)
def test_bad_clusters(tmp_path: Path, text: str, kind: str, where: str, names: str) -> None:
    clusters = tmp_path / "clusters.tsv"
    clusters.write_text(text)
    with refused(kind, where=where, names=names):
        assign(batch(r0=b"AC", r1=b"GT"), by="cluster", clusters=clusters)


def test_lists_come_first(tmp_path: Path, many: Batch) -> None:
    validation, test = tmp_path / "validation.txt", tmp_path / "test.txt"
    validation.write_text("# held out\nr1\nr3  # by hand\n\n")
    test.write_text("r2\nr3\n")
    splits = assign(many, validation_fraction=0, validation_list=validation, test_list=test)
    assert {name for name, split in splits.items() if split == "validation"} == {"r1"}
    assert {name for name, split in splits.items() if split == "test"} == {"r2", "r3"}
    drawn = assign(many, validation_fraction=0.1)
    listed = assign(many, validation_fraction=0.1, validation_list=validation)
    assert all(listed[name] == drawn[name] for name in many.names if name not in ("r1", "r3"))
    assert listed["r1"] == listed["r3"] == "validation"
    validation.write_text("#\n")
    with refused("list-empty", where="validation.txt"):
        assign(batch(a=b"A"), validation_list=validation, seed=1)


def test_a_list_and_a_record_may_have_versions(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("c0\nc1.2\nc2.1\n")
    records = batch(**{"c0.3": b"AC", "c1": b"AG", "c2.2": b"AT", "c3": b"AA"})
    splits = assign(records, validation_fraction=0, validation_list=names)
    assert [name for name, split in splits.items() if split == "validation"] == ["c0.3", "c1"]


@pytest.mark.parametrize(
    ("rule", "kind", "where", "names"),
    [
        ({"validation_fraction": -0.1}, "split-share", "validation_fraction", "-0.1"),
        ({"validation_fraction": 1.0}, "split-share", "validation_fraction", "1.0"),
        ({"test_fraction": 1.5}, "split-share", "test_fraction", "1.5"),
        ({"validation_fraction": 0.5, "test_fraction": 0.5}, "no-training-share", "test_fraction", "train"),
        ({"seed": -1}, "seed", "seed", "-1"),
        ({"seed": 2**64}, "seed", "seed", "18446744073709551616"),
        ({"by": "chromosome"}, "unknown-split-rule", "split by", "'chromosome'"),
        ({"by": "cluster"}, "clusters-without-file", None, "cluster"),
        ({"clusters": Path("x.tsv")}, "clusters-without-file", None, "cluster"),
    ],
)
def test_impossible_rules(rule: dict[str, Any], kind: str, where: str | None, names: str) -> None:
    with refused(kind, where=where, names=names):
        SplitRule(**rule)
