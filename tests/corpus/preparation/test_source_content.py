"""What the manifest says of each source is what a plain count of its letters and of the documents says."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from corpus.exclusion.rule import ExclusionRule
from corpus.manifest import FILE_NAME, read_manifest
from corpus.preparation.prepare import prepare
from corpus.read import document_sources, documents_of
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
from genomic_llama.cli.main import app

WriteFasta = Callable[..., Path]


def sources(write_fasta: WriteFasta) -> dict[Path, dict[str, bytes]]:
    """Five files of six records, with N and lower case; the names tell the file."""
    found = {}
    for number in range(5):
        draw = random.Random(number)
        records = {f"f{number}_{n}": bytes(draw.choices(b"ACGTacgtNR", k=draw.randint(1, 3000))) for n in range(6)}
        found[write_fasta(records, f"f{number}.fa")] = records
    return found


@pytest.mark.parametrize(
    ("settings", "shard_bytes"),
    [
        (Settings(split=SplitRule(validation_fraction=0.3, test_fraction=0.2)), 1 << 29),
        (Settings(split=SplitRule(validation_fraction=0.3), segment_length=100), 5_000),
        (Settings(split=SplitRule(validation_fraction=0.4), exclusion=ExclusionRule(header=("_2$",))), 1 << 29),
        (Settings(split=SplitRule(validation_fraction=1e-9)), 1 << 29),  # drawn again, in segments
        (Settings(split=SplitRule(by="record", validation_fraction=1e-9)), 1 << 29),  # drawn again, whole
    ],
)
def test_letters_and_splits(tmp_path: Path, write_fasta: WriteFasta, settings: Settings, shard_bytes: int) -> None:
    files = sources(write_fasta)
    manifest = prepare(list(files), tmp_path / "out", settings, shard_bytes=shard_bytes)
    bases: dict[str, Counter[str]] = {}
    for split in manifest.splits:
        documents = list(documents_of(tmp_path / "out", split.name))
        for document in documents:
            bases.setdefault(document.record.split("_")[0], Counter())[split.name] += len(document.ids)
        named = [f"{document.record.split('_')[0]}.fa" for document in documents]
        assert document_sources(tmp_path / "out", split.name) == named
    for source, (path, records) in zip(manifest.sources, files.items(), strict=True):
        text = b"".join(records.values()).decode()
        upper, content = text.upper(), source.content
        assert content is not None
        assert content.gc == upper.count("G") + upper.count("C")
        assert content.at == upper.count("A") + upper.count("T")
        assert content.n == upper.count("N")
        assert content.soft_masked == sum(letter.islower() for letter in text)
        assert content.splits == bases[path.stem]


def test_a_manifest_of_an_older_version(tmp_path: Path, write_fasta: WriteFasta) -> None:
    prepare(list(sources(write_fasta)), tmp_path / "out", Settings())
    path = tmp_path / "out" / FILE_NAME
    content = json.loads(path.read_text())
    del content["resemblance"], content["xxh3_128"]
    for source in content["sources"]:
        del source["content"]
    path.write_text(json.dumps(content))
    manifest = read_manifest(tmp_path / "out")
    assert manifest.resemblance is None
    assert {source.content for source in manifest.sources} == {None}
    assert document_sources(tmp_path / "out", "train") is None


def test_what_is_worth_checking_is_printed(tmp_path: Path, write_fasta: WriteFasta) -> None:
    lower = write_fasta({f"r{n}": b"acgta" * (n + 9) for n in range(30)}, "lower.fa")
    prepare([lower], tmp_path / "out", Settings(split=SplitRule(validation_fraction=0.3)))
    printed = CliRunner().invoke(app, ["corpus", "info", str(tmp_path / "out")]).output
    assert f"worth checking: {lower} is in lower case throughout" in printed
    prepare([write_fasta({"a": b"ACGTT"})], tmp_path / "plain", Settings(split=SplitRule(validation_fraction=0)))
    assert "worth checking" not in CliRunner().invoke(app, ["corpus", "info", str(tmp_path / "plain")]).output
