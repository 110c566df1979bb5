"""Sources in their thousands, each of a few bases: taken together, and the corpus is that of taking them one by one."""

import random
from pathlib import Path

import pytest
from corpora import prepare
from refusal import refused

from corpus.manifest import Manifest
from corpus.preparation import shard as shards
from corpus.read import documents_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = random.Random(7)
    for number in range(300):
        bases = "".join(draw.choices("ACGTacgtN", k=draw.randint(10, 900)))
        (tmp_path / f"{number:03d}.fa").write_text(f">record_{number}\n{bases}\n>second\n{bases[::-1]}\n")
    return tmp_path


def made(folder: Path, name: str) -> tuple[Manifest, dict[str, bytes]]:
    manifest = prepare(sorted(folder.glob("*.fa")), folder / name, validation_fraction=0.1, test_fraction=0.1)
    return manifest, {path.name: path.read_bytes() for path in (folder / name).iterdir()}


@pytest.mark.parametrize("together", [1, 2, 7, 4096])
def test_the_corpus_is_the_same(folder: Path, together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, files = made(folder, "expected")
    monkeypatch.setattr(shards, "_TOGETHER", together)
    assert made(folder, "other") == (expected, files)
    assert [(source.records, source.bytes) for source in expected.sources] == [
        (2, path.stat().st_size) for path in sorted(folder.glob("*.fa"))
    ]


def test_the_first_bad_record_is_named(folder: Path) -> None:
    """Though the file after it, read before its letters are looked at, is worse."""
    (folder / "150.fa").write_text(">fine\nACGT\n>bad\nAC!T\n")
    (folder / "151.fa").write_text("no header\n")
    with refused("not-nucleotides", where="150.fa, record 2 'bad'", names="'!' at base 3") as caught:
        made(folder, "out")
    assert "151" not in str(caught.value)


def test_a_source_between_small_ones_that_is_large(folder: Path) -> None:
    (folder / "150.fa").write_text(">large\n" + "ACGT" * 50_000 + "\n")
    manifest, _ = made(folder, "out")
    assert manifest.sources[150].bases == 200_000
    documents = [
        one.ids.tobytes() for split in ("train", "validation", "test") for one in documents_of(folder / "out", split)
    ]
    assert documents.count(b"ACGT" * 50_000) == 1
    assert len(documents) == 599
