"""`prepare` and `corpus` as a user calls them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from refusal import refused
from typer.testing import CliRunner

from corpus.manifest import Manifest, read_manifest
from corpus.read import documents_of
from genomic_llama.cli.main import app

SEQUENCES = {f"contig{n}": "ACGTTGCAnn"[: 3 + n % 7] * (5 + n) for n in range(30)}


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def prepared(folder: Path, *arguments: object) -> Manifest:
    call("prepare", *arguments, "--out", folder / "corpus", "--overwrite")
    return read_manifest(folder / "corpus")


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name} d__Bacteria\n{text}\n" for name, text in SEQUENCES.items()))
    return path


def test_the_tour(genome: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    assert "wrote" in call("prepare", genome, "--out", corpus, "--validation-fraction", 0.3)
    assert "30 records" in call("corpus", "info", corpus)
    assert json.loads(call("corpus", "info", corpus, "--json"))["sources"][0]["records"] == 30
    assert "is complete: 6 files" in call("corpus", "verify", corpus)
    call("corpus", "card", corpus, "--out", tmp_path / "card")
    assert "genome.fa" in (tmp_path / "card" / "DATACARD.md").read_text()
    call("corpus", "pack", corpus, "--sequence-length", 64)
    assert (corpus / "train.64.pack").exists()
    call("prepare", genome, "--out", corpus, "--validation-fraction", 0.3, "--overwrite")
    assert not (corpus / "train.64.pack").exists()


def test_every_format_gives_the_same_documents(genome: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import zstandard

    lines = "".join(json.dumps({"record": name, "seq": text}) + "\n" for name, text in SEQUENCES.items()).encode()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "a.fa.zst").write_bytes(zstandard.compress(genome.read_bytes()))
    pq.write_table(pa.table({"seq": list(SEQUENCES.values())}), tmp_path / "a.parquet", row_group_size=7)
    (tmp_path / "a.fq").write_text("".join(f"@{n}\n{text}\n+\n{'I' * len(text)}\n" for n, text in SEQUENCES.items()))
    found: dict[str, Any] = {}
    for name, options in (
        ("genome.fa", ()),
        ("a.fa.zst", ()),
        ("a.fq", ()),
        ("a.jsonl.gz", ("--text-field", "seq")),
        ("a.parquet", ("--text-field", "seq")),
    ):
        manifest = prepared(tmp_path, tmp_path / name, *options, "--validation-fraction", 0.3)
        found[name] = [
            sorted(one.ids.tobytes() for one in documents_of(tmp_path / "corpus", split))
            for split in ("train", "validation")
        ]
        assert manifest.sources[0].format == {"fa": "fasta", "zst": "fasta", "fq": "fastq", "gz": "jsonl"}.get(
            name.rsplit(".", 1)[1], "parquet"
        )
    assert all(documents == found["genome.fa"] for documents in found.values())


def test_settings_and_what_goes_before_them(genome: Path, tmp_path: Path) -> None:
    settings = tmp_path / "mine.yaml"
    settings.write_text("split: {validation_fraction: 0.3, seed: 5}\nexclusion: {header: ['contig1\\d']}\n")
    manifest = prepared(tmp_path, genome, "--settings", settings)
    assert (manifest.settings.split.seed, manifest.excluded) == (5, {"header:contig1\\d": 10})
    manifest = prepared(tmp_path, genome, "--settings", settings, "--seed", 6, "--exclude-header", "contig3 ")
    assert (manifest.settings.split.seed, manifest.settings.split.validation_fraction) == (6, 0.3)
    assert manifest.excluded == {"header:contig3 ": 1}


def test_opengenome2_leaves_out_viruses_of_eukaryotes(tmp_path: Path) -> None:
    texts = {
        "phage": "|d__Viruses;p__Uroviricota;c__Caudoviricetes;o__;f__;g__;s__|" + "ACGT" * 20,
        "corona": "|d__Viruses;p__Pisuviricota;c__Pisoniviricetes;o__Nidovirales;f__Coronaviridae;g__;s__|"
        + "ACGT" * 20,
        "plain": "ACGTT" * 20 + "@GGCC#TTAA",
    }
    source = tmp_path / "data_x_train_chunk1.jsonl"
    source.write_text("".join(json.dumps({"record": name, "text": text}) + "\n" for name, text in texts.items()))
    manifest = prepared(tmp_path, source, "--settings", "opengenome2", "--validation-fraction", 0)
    assert sum(manifest.excluded.values()) == 1
    assert next(iter(manifest.excluded)).startswith("taxon:")
    (train,) = manifest.splits
    assert (train.documents, train.bases) == (2, 80 + 108)
    assert train.markup == len(texts["phage"]) - 80 + 2
    assert "configs/exclusion/eukaryotic_viruses.yaml" in manifest.rule_files
    with refused("taxonomy-unknown", where="record 3 'plain'"):
        prepared(tmp_path, source, "--settings", "opengenome2", "--strict-taxonomy", "--validation-fraction", 0)


def test_a_plan_worked_off_by_others(genome: Path, tmp_path: Path) -> None:
    arguments = ("prepare", genome, "--out", tmp_path / "corpus", "--validation-fraction", 0.3)
    said = call(*arguments, "--plan-only")
    work = tmp_path / ".corpus.prepare"
    assert f"sbatch --array=0-0 --wrap 'genomic-llama corpus shard {work} $SLURM_ARRAY_TASK_ID'" in said
    assert "shard 0 is finished" in call("corpus", "shard", work, 0)
    assert "nothing to do: the plan has shards 0 to 0, and this is number 7" in call("corpus", "shard", work, 7)
    call(*arguments)
    assert not work.exists()
    expected = prepared(tmp_path / "again", genome, "--validation-fraction", 0.3)
    assert read_manifest(tmp_path / "corpus") == expected


@pytest.mark.parametrize(
    ("arguments", "kind", "fix"),
    [
        (("--settings", "opengenome3"), "unknown-settings", "'opengenome2'"),
        (("--split-by", "cluster"), "clusters-without-file", ""),
        (("--ray-address", "here"), "ray-address-without-ray", ""),
        (("--format", "genbank"), "unknown-format", ""),
        (("--segment-length", "9", "--markup"), "segments-of-markup", ""),
    ],
)
def test_wrong_options(genome: Path, tmp_path: Path, arguments: tuple[str, ...], kind: str, fix: str) -> None:
    with refused(kind, fix=fix):
        prepared(tmp_path, genome, *arguments)


def heard(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    """The lines on standard error, which is not a terminal here, of one command."""
    from genomic_llama.cli.main import main

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["genomic-llama", *map(str, arguments)])
        main()
    assert not ended.value.code
    return capsys.readouterr().err.splitlines()


def test_no_command_is_silent(genome: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line at once, whatever the size of the work, and one when it is done."""
    corpus, other = tmp_path / "corpus", tmp_path / "other"
    (tmp_path / "b.fa").write_text("".join(f">{name}\n{text[::-1]}AC\n" for name, text in SEQUENCES.items()))
    split = ("--validation-fraction", 0.3)
    assert heard(capsys, "prepare", genome, "--out", corpus, *split)[0] == "look at the sources: started"
    plan = heard(capsys, "prepare", tmp_path / "b.fa", "--out", other, *split, "--plan-only")
    assert plan[0] == "look at the sources: started"
    shard = heard(capsys, "corpus", "shard", tmp_path / ".other.prepare", 0)
    assert (shard[0], shard[-1].startswith("prepare: 100%")) == ("prepare: started", True)
    heard(capsys, "prepare", tmp_path / "b.fa", "--out", other, *split)
    assert heard(capsys, "corpus", "verify", corpus)[0] == "verify: started"
    assert heard(capsys, "corpus", "card", corpus, "--out", tmp_path / "card")[0] == "lengths of documents: started"
    assert heard(capsys, "corpus", "pack", corpus, "--sequence-length", 64)[0] == "pack train.64: started"
    for how, first in (([], "link: started"), (["--copy"], "copy: started")):
        lines = heard(capsys, "corpus", "merge", corpus, other, "--out", tmp_path / "both", "--overwrite", *how)
        assert lines[0] == first
    call("corpus", "verify", tmp_path / "both")
