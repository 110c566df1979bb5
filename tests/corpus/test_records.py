"""Names of records: kept whatever cuts the work, found by accession, and whole again from segments."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corpora import prepare
from refusal import refused
from typer.testing import CliRunner

from corpus.manifest import FILE_NAME, read_manifest
from corpus.merge import merge
from corpus.preparation import assemble
from corpus.read import documents_of
from corpus.records import find_records, read_records
from corpus.store.document_names import NameWriter, read_names, record_lines
from corpus.verify import verify_corpus

pytestmark = pytest.mark.fast

LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


def bases(length: int, seed: int) -> bytes:
    return LETTERS[np.random.default_rng(seed).integers(0, 4, length)].tobytes()


RECORDS = {
    "NC_000001.11": bases(5000, 1),
    "gi|556503834|ref|NC_000913.3|": bases(1000, 2),
    "contig7": bases(999, 3),
    r"odd\name": bases(1001, 4),
    "AB12": bases(2500, 5),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "genome.fa", RECORDS)


def write(path: Path, records: dict[str, bytes]) -> Path:
    path.write_bytes(b"".join(b">%s more\n%s\n" % (name.encode(), text) for name, text in records.items()))
    return path


@pytest.fixture
def cut(source: Path, tmp_path: Path) -> Path:
    """In segments, of two splits."""
    prepare([source], tmp_path / "cut", validation_fraction=0.3, seed=1, segment_length=1000)
    return tmp_path / "cut"


def names(corpus: Path) -> set[str]:
    return {one.name for split in read_manifest(corpus).splits for one in documents_of(corpus, split.name)}


def test_documents_show_the_names_of_their_records(source: Path, cut: Path, tmp_path: Path) -> None:
    prepare([source], tmp_path / "whole", validation_fraction=0.3, seed=2)
    assert names(tmp_path / "whole") == set(RECORDS)
    expected = {f"NC_000001.11:{start + 1}-{start + 1000}" for start in range(0, 5000, 1000)}
    expected |= {"gi|556503834|ref|NC_000913.3|", "contig7", r"odd\name:1-1000", r"odd\name:1001-1001"}
    assert names(cut) == expected | {"AB12:1-1000", "AB12:1001-2000", "AB12:2001-2500"}
    for split in ("train", "validation"):
        for one in documents_of(cut, split):
            assert one.ids.tobytes() == RECORDS[one.record][one.start : one.start + len(one.ids)]
    verify_corpus(cut)


def test_records_are_whole_again(cut: Path) -> None:
    assert len(read_manifest(cut).splits) == 2
    found = dict(read_records(cut, RECORDS))
    assert {name: ids.tobytes() for name, ids in found.items()} == RECORDS
    assert not dict(read_records(cut, ["none"]))


def test_splits_that_are_drawn_again_keep_their_names(source: Path, tmp_path: Path) -> None:
    """So few documents that one split came out empty: they are cut, and drawn again."""
    prepare([source], tmp_path / "redrawn", validation_fraction=0.01, seed=5)
    settings = read_manifest(tmp_path / "redrawn").settings
    assert settings.segment_length is not None
    assert {name: ids.tobytes() for name, ids in read_records(tmp_path / "redrawn", RECORDS)} == RECORDS


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("NC_000001.11", "NC_000001.11"), ("NC_000001", "NC_000001.11"), ("NC_000001.10", None),
        ("NC_000913.3", "gi|556503834|ref|NC_000913.3|"), ("NC_000913", "gi|556503834|ref|NC_000913.3|"),
        ("AB12", "AB12"), ("AB12.1", "AB12"), ("AB1", None), ("C_000001", None), ("contig", None), ("", None),
    ],
)  # fmt: skip
def test_a_corpus_has_an_accession_or_not(cut: Path, asked: str, found: str | None) -> None:
    from genomic_llama.cli.main import app

    assert [one.name for one in find_records(cut, asked)] == ([found] if found else [])
    result = CliRunner().invoke(app, ["corpus", "has", str(cut), asked])
    assert result.exit_code == (0 if found else 1)
    assert (found or f"accession {asked}") in result.output


def test_a_corpus_without_names(source: Path, cut: Path, tmp_path: Path) -> None:
    """By an option, and one from before names were kept, which still opens: it cannot answer, and exits with 2."""
    from genomic_llama.cli.main import app

    nameless = tmp_path / "nameless"
    prepare([source], nameless, validation_fraction=0.3, seed=2, record_names=False)
    assert not list(nameless.glob("*.names"))
    assert "validation[0]" in names(nameless)
    content = json.loads((nameless / FILE_NAME).read_text())
    del content["settings"]["record_names"], content["xxh3_128"]
    (nameless / FILE_NAME).write_text(json.dumps(content, indent=2))
    assert "validation[0]" in names(nameless)
    for ask in (lambda: find_records(nameless, "AB12"), lambda: dict(read_records(nameless, ["AB12"]))):
        with refused("corpus-without-names", where="nameless", fix="--record-names"):
            ask()
    assert CliRunner().invoke(app, ["corpus", "has", str(nameless), "AB12"]).exit_code == 2
    assert CliRunner().invoke(app, ["corpus", "has", str(tmp_path / "none"), "AB12"]).exit_code == 2


def test_too_many_records_are_named_only_when_asked(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "MOST_NAMED", 4)
    prepare([source], tmp_path / "many", validation_fraction=0.3, seed=2)
    assert not list((tmp_path / "many").glob("*.names"))
    prepare([source], tmp_path / "asked", validation_fraction=0.3, seed=2, record_names=True)
    assert names(tmp_path / "asked") == set(RECORDS)


def test_merged_corpora_keep_names(source: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.fa", {name: text[::-1] for name, text in RECORDS.items()} | {"new": bases(50, 9)})
    for name, path in (("a", source), ("b", other)):
        prepare([path], tmp_path / name, validation_fraction=0.3, seed=2)
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
    verify_corpus(tmp_path / "all")
    assert names(tmp_path / "all") == {*RECORDS, "new"}
    assert [sum(map(len, one.documents.values())) for one in find_records(tmp_path / "all", "AB12")] == [2]
    with refused("duplicate-name", where="all", names="AB12"):
        dict(read_records(tmp_path / "all", ["AB12"]))


def test_damaged_names(cut: Path) -> None:
    path = next(cut.glob("train-*.names"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with refused("names-damaged", where=path.name):
        find_records(cut, "AB12")
    path.unlink()
    with refused("missing-file", where=path.name):
        find_records(cut, "AB12")


@pytest.mark.parametrize("name", ["plain", "a\tb", "a\nb", r"a\nb", "\\", r"\\t", "é\u2028x", "a\rb", ""])
def test_any_name_survives(name: str, tmp_path: Path) -> None:
    writer = NameWriter(tmp_path / "x.names")
    writer.add(record_lines([name, "other"]))
    writer.close()
    assert [one.record for one in read_names(tmp_path / "x.names", 2)] == [name, "other"]


def test_the_same_names_from_any_number_of_processes(
    source: Path, tmp_path: Path, write_fasta: Callable[..., Path]
) -> None:
    from corpus.preparation.prepare import prepare as prepare_sources
    from corpus.settings import Settings
    from foundation.engines.local import LocalEngine

    genomes = [write_fasta({name: text}, f"{number}.fa") for number, (name, text) in enumerate(RECORDS.items())]
    for out, engine in (("one", None), ("many", LocalEngine(2))):
        prepare_sources(genomes, tmp_path / out, Settings(segment_length=300), shard_bytes=1000, engine=engine)
    one, many = ({path.name: path.read_bytes() for path in (tmp_path / out).iterdir()} for out in ("one", "many"))
    assert one == many
    assert len([name for name in one if name.endswith(".names")]) > 4
