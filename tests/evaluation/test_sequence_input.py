"""What a FASTA file may look like, and what score, embed and variants make of it: docs/scoring.md has the table."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused
from scored import score_records

from evaluation.embedding.embedding import embed_regions
from evaluation.embedding.embedding_files import check_embedding_file, write_embeddings
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import read_regions
from evaluation.likelihood.score import RecordScore
from evaluation.likelihood.tracks import check_track, open_track
from evaluation.variants.run import VariantRun, score_variants
from evaluation.variants.windows import Placement
from foundation.errors import InputError

VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
TEXT = "ACGTTGCAAGGCTNACGGTACRYTTGACCATGACCGATTTACGACGGGGA"
CLEAN = f">a\n{TEXT}\n>short\nACGTA\n>one\nG\n"


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    (tmp_path / "g.fa").write_text(CLEAN)
    (tmp_path / "v.vcf").write_text(VCF + "a\t10\t.\tG\tA\t.\t.\t.\nshort\t3\t.\tGT\tG\t.\t.\t.\n")
    return tmp_path / "g.fa"


def _all(model: Any, directory: Path, genome: Path) -> tuple[tuple[RecordScore, ...], np.ndarray, list[Any]]:
    """Scores, embeddings and effects."""
    records = score_records(model, read_regions(genome)).records
    reading = plan_reading(model)
    embedded = [one.values for one in embed_regions(model, read_regions(genome), reading, layer=-1, pooling="mean")]
    run = VariantRun(
        model=directory, fasta=genome, vcf=genome.parent / "v.vcf",
        placement=Placement(length=24, downstream=12, grid=1), strand="both", dtype="float32",
    )  # fmt: skip
    return records, np.stack(embedded), [effect and effect.delta for effect in score_variants(model, run).effects]


@pytest.mark.parametrize(
    "text",
    [
        CLEAN.lower(),
        CLEAN.replace("\n", "\r\n"),
        CLEAN.replace("\n>", "\n\n>").replace("TTGACC", "TTG\nACC").replace(">a", ">a with words"),
        CLEAN.rstrip("\n"),
    ],
    ids=["soft-masked", "CRLF", "wrapped", "no last line end"],
)
def test_how_a_file_is_written_changes_nothing(tiny_model: Any, tiny_directory: Path, genome: Path, text: str) -> None:
    expected = _all(tiny_model, tiny_directory, genome)
    genome.write_bytes(text.encode())
    found = _all(tiny_model, tiny_directory, genome)
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])
    assert found[2] == expected[2]


def test_other_letters_are_context_and_short_records_are_read_alone(tiny_model: Any, genome: Path) -> None:
    records = score_records(tiny_model, read_regions(genome)).records
    assert [one.bases_scored for one in records] == [len(TEXT) - 1 - 3, 4, 0]  # not the first, not N, R and Y
    assert np.isnan(records[2].bits_per_base)
    for number, one in enumerate(records[:2]):
        (alone,) = score_records(tiny_model, [list(read_regions(genome))[number]]).records
        assert one.nats == pytest.approx(alone.nats, abs=1e-5)


def test_records_of_one_name(tiny_model: Any, tiny_directory: Path, genome: Path, tmp_path: Path) -> None:
    genome.write_text(f">a\n{TEXT}\n>b\nACGT\n>a\nACGTACGT\n")
    score = score_records(tiny_model, read_regions(genome))
    assert [(one.name, one.length) for one in score.records] == [("a", len(TEXT)), ("b", 4), ("a", 8)]

    def embed(name: str, pooling: str) -> int:
        found = embed_regions(tiny_model, read_regions(genome), plan_reading(tiny_model), layer=0, pooling=pooling)
        return write_embeddings(found, tmp_path / name, {})

    assert [embed("e.parquet", "none"), embed("e.parquet", "mean"), embed("e.safetensors", "mean")] == [3, 3, 3]
    with refused("duplicate-name"):
        embed("n.safetensors", "none")
    for track_name in ("t.bw", "t.bedgraph", "t.bedgraph.gz"):
        with refused("regions-overlap"), open_track(tmp_path / track_name) as track:
            score_records(tiny_model, read_regions(genome), track=track)
        assert not (tmp_path / track_name).exists()
    with pytest.raises(InputError) as refusal:
        _all(tiny_model, tiny_directory, genome)
    assert refusal.value.kind == "duplicate-name"


@pytest.mark.parametrize("name", ["t.bw", "t.bigWig", "t.bedgraph", "t.bedGraph.gz"])
def test_names_and_regions_that_a_track_cannot_hold_are_refused_before_the_work(genome: Path, name: str) -> None:
    genome.write_text(f">a\n{TEXT}\n>b\nACGT\n>a\nACGTACGT\n")
    bed = genome.with_name("r.bed")
    bed.write_text("a\t0\t9\nb\t0\t4\na\t8\t12\n")
    with pytest.raises(InputError) as refusal:
        check_track(genome.with_name(name), fasta=genome)
    assert (refusal.value.kind, refusal.value.where) == ("duplicate-name", f"{genome}, records 1 and 3")
    with pytest.raises(InputError) as refusal:
        check_track(genome.with_name(name), fasta=genome, bed=bed)
    assert (refusal.value.kind, refusal.value.where) == ("regions-overlap", f"{bed}, lines 1 and 3")
    check_track(genome.with_name("t.parquet"), fasta=genome, bed=bed)
    bed.write_text("a\t0\t8\tx\na\t8\t12\tx\n")
    check_track(genome.with_name(name), fasta=genome, bed=bed)
    with pytest.raises(InputError) as refusal:
        check_embedding_file(genome.with_name("e.safetensors"), fasta=genome, bed=bed, per_base=True)
    assert (refusal.value.kind, refusal.value.where) == ("duplicate-name", f"{bed}, lines 1 and 2")


def test_a_bigwig_without_its_package_is_refused_before_the_work(genome: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyBigWig", None)
    with pytest.raises(InputError) as refusal:
        check_track(genome.with_name("t.bw"))
    assert refusal.value.kind == "missing-package"
    assert "pip install -e '.[tracks]'" in refusal.value.fix
    check_track(genome.with_name("t.bedgraph"))


def test_u_of_rna_is_read_as_t_and_said_once(
    tiny_model: Any, tiny_directory: Path, genome: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = _all(tiny_model, tiny_directory, genome)
    assert "RNA" not in capsys.readouterr().err
    genome.write_text(CLEAN.replace("T", "U").replace("UUGACC", "TuGACC"))
    genome.with_name("v.vcf").write_text(genome.with_name("v.vcf").read_text().replace("GT\tG", "GU\tG"))
    found = _all(tiny_model, tiny_directory, genome)
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])
    assert found[2] == expected[2]
    said = [line for line in capsys.readouterr().err.splitlines() if "RNA" in line]
    assert len(said) == 4  # by score, by embed, and by variants of its genome and of its VCF
    assert all("g.fa" in line or "v.vcf" in line for line in said)
    bed = genome.with_name("r.bed")
    bed.write_text("a\t3\t30\nshort\t0\t5\n")
    assert not any((region.ids == ord("U")).any() for region in read_regions(genome, bed=bed))


@pytest.mark.parametrize(
    ("text", "kind", "where"),
    [
        (">a\nACGT\n>b\n>c\nACGT\n", "no-sequence", "g.fa, record 2 'b'"),
        (">a\nACGT-ACGT\n", "not-nucleotides", "g.fa, record 1 'a'"),
        (">\nACGT\n", "no-record-name", "g.fa, record 1"),
        ("", "empty-file", "g.fa"),
    ],
)
def test_what_is_no_sequence_is_refused_by_name(
    tiny_model: Any, genome: Path, text: str, kind: str, where: str
) -> None:
    genome.write_text(text)
    with refused(kind, where=where):
        score_records(tiny_model, read_regions(genome))
