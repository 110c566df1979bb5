"""The manifest: strict in both directions, and honest about the files beside it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from corpora import prepare
from refusal import refused
from typer.testing import CliRunner

from corpus.manifest import read_manifest, verify
from corpus.read import documents_of, open_split
from genomic_llama.cli.main import app


@pytest.fixture
def corpus(tmp_path: Path, write_fasta: Callable[..., Path], contigs: dict[str, bytes]) -> Path:
    prepare([write_fasta(contigs)], tmp_path / "corpus", validation_fraction=0.2)
    return tmp_path / "corpus"


def test_round_trip(corpus: Path) -> None:
    manifest = verify(corpus, full=True)
    assert manifest == read_manifest(corpus)
    assert [split.name for split in manifest.splits] == ["train", "validation"]
    assert manifest.split("test") is None


Change = Callable[[dict[str, object]], object]


@pytest.mark.parametrize(
    ("change", "kind", "key", "named"),
    [
        (lambda m: m.update(format_version=3), "manifest-version", "", "3"),
        (lambda m: m.pop("format_version"), "manifest-version", "", "None"),
        (lambda m: m.pop("sources"), "missing-key", "", "'sources'"),
        (lambda m: m.update(exluded="x"), "unknown-key", "", "'exluded'"),
        (lambda m: m["settings"]["split"].update(seed="0"), "wrong-type", ".settings.split.seed", "'0'"),
        (lambda m: m["settings"]["split"].update(seed=True), "wrong-type", ".settings.split.seed", "True"),
        (
            lambda m: m["splits"][1]["shards"][0]["files"][0].update(bytes=None),
            "wrong-type",
            ".splits[1].shards[0].files[0].bytes",
            "None",
        ),
        (lambda m: m["splits"][0]["composition"].update(A=1.5), "wrong-type", ".splits[0].composition.A", "1.5"),
        (lambda m: m.update(sources={}), "wrong-type", ".sources", "{}"),
        (lambda m: m["splits"][0].update(name="../../escaped"), "unknown-split", "", "'../../escaped'"),
        (lambda m: m["splits"][0]["shards"][0].update(name="../train-00000"), "shard-name", "", "'../train-00000'"),
        (lambda m: m["splits"][0]["shards"][0].update(files=[]), "shard-files", "", "train-00000"),
        (lambda m: m["splits"][0].update(bases=-5), "composition-differs", "", "'train'"),
        (lambda m: m["splits"][0].update(composition={}), "composition-differs", "", "'train'"),
        (lambda m: m["splits"][0].update(documents=10**30), "shards-do-not-add-up", "", "documents"),
        (lambda m: m["splits"][0]["shards"][0].update(tokens=7), "shard-size", "", "7 tokens"),
        (lambda m: m["splits"][0].update(markup=3), "tokens-do-not-add-up", "", "'train'"),
        (lambda m: m["splits"][0]["length_histogram"].update(x=1), "histogram-bins", "", "'train'"),
        (
            lambda m: m["splits"][0]["shards"][0]["files"][0].update(name="../train.bin"),
            "shard-files",
            "",
            "train-00000",
        ),
    ],
)
def test_a_wrong_manifest(corpus: Path, change: Change, kind: str, key: str, named: str) -> None:
    path = corpus / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with refused(kind, where=f"{path}{key}", names=named):
        verify(corpus)


def test_a_changed_letter_that_contradicts_nothing(corpus: Path) -> None:
    path = corpus / "manifest.json"
    whole = path.read_text()
    name = json.loads(whole)["sources"][0]["path"]
    path.write_text(whole.replace(name, name[:-1] + "b"))
    with refused("manifest-changed", where="manifest.json"):
        read_manifest(corpus)
    path.write_text(json.dumps(json.loads(whole), indent=4))
    with refused("manifest-changed", where="manifest.json"):
        read_manifest(corpus)
    path.write_text(whole)
    verify(corpus, full=True)


def test_a_manifest_from_before_it_had_a_checksum(corpus: Path) -> None:
    expected, content = read_manifest(corpus), json.loads((corpus / "manifest.json").read_text())
    assert "older than" not in CliRunner().invoke(app, ["corpus", "verify", str(corpus)]).output
    del content["xxh3_128"]
    (corpus / "manifest.json").write_text(json.dumps(content))
    assert read_manifest(corpus) == expected
    assert "older than" in CliRunner().invoke(app, ["corpus", "verify", str(corpus)]).output


def test_no_manifest(corpus: Path, tmp_path: Path) -> None:
    with refused("not-a-corpus"):
        read_manifest(tmp_path)
    with refused("not-a-corpus", where="absent"):
        read_manifest(tmp_path / "absent")
    (corpus / "manifest.json").write_text("{")
    with refused("not-json", where="manifest.json"):
        read_manifest(corpus)
    (corpus / "manifest.json").write_text("[" * 200_000)
    with refused("nested-too-deep", where="manifest.json"):
        read_manifest(corpus)
    (corpus / "manifest.json").write_text("[]")
    with refused("manifest-version", where="manifest.json"):
        read_manifest(corpus)


@pytest.mark.parametrize("name", ["train-00000.bin", "train-00000.idx", "train-00000.names", "validation-00000.bin"])
def test_damaged_files(corpus: Path, name: str) -> None:
    path = corpus / name
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    with refused("corpus-file-size", where=name):
        verify(corpus)
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    verify(corpus)
    with refused("corpus-file-checksum", where=name):
        verify(corpus, full=True)
    path.unlink()
    with refused("corpus-file-missing", where=name):
        verify(corpus)


def test_the_documents_of_a_split(corpus: Path, contigs: dict[str, bytes]) -> None:
    documents = {
        one.name: one.ids.tobytes() for split in ("train", "validation") for one in documents_of(corpus, split)
    }
    assert sorted(documents.values()) == sorted(contigs.values())
    assert set(documents) == set(contigs)
    with refused("split-missing", where="corpus", fix="--test-fraction"):
        open_split(corpus, "test")


def test_reading_a_manifest_imports_no_reader_of_sources(corpus: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from corpus.manifest import read_manifest\n"
        f"read_manifest(Path({str(corpus)!r}))\n"
        "heavy = {'numba', 'llvmlite', 'pyarrow', 'sqlite3', '_sqlite3', 'orjson', 'torch', 'omegaconf'}\n"
        "readers = {name for name in sys.modules if name.startswith('corpus.readers')}\n"
        "print(sorted((heavy & set(sys.modules)) | readers))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
