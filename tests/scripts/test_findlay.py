"""The published table, as spreadsheet and as text, becomes a sorted VCF."""

import json
import os
from pathlib import Path

import pytest
from refusal import refused
from tiny_llama import save_tiny_llama

from evaluation.variants.vcf import read_vcf
from scripts.brca1.findlay import write_findlay_vcf

# The published sheet has two lines above its header, and more columns than are read.
HEAD = ["gene", "chromosome", "position (hg19)", "reference", "alt", "consequence",
        "function.score.r1", "function.score.r2", "function.score.mean", "p.nonfunctional", "func.class"]  # fmt: skip
ROWS = [
    ["BRCA1", 17, 41, "T", "G", "Missense", -0.3, -0.4, -0.37, 0.01, "FUNC"],
    ["BRCA1", 17, 33, "C", "A", "Canonical splice", -2.0, -2.1, -2.05, 0.99, "LOF"],
    ["BRCA1", 17, 34, "A", "C", None, -0.9, -0.9, -0.9, 0.5, "INT"],
]
CHROMOSOME = "ACGTTGCAAGGCTNACGGTACATTGACCATGACATTTACGTCGGGGA"


@pytest.fixture(params=["NC_000017.10 Homo sapiens chromosome 17, GRCh37.p13 Primary Assembly", "chr17", "17"])
def fasta(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    (tmp_path / "chr17.fa").write_text(f">other\nACGT\n>{request.param}\n{CHROMOSOME}\n")
    return tmp_path / "chr17.fa"


def _write_spreadsheet(path: Path) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    for row in (["Supplementary Table 1"], [None, "SNV", None, "scores"], HEAD, *ROWS):
        book.active.append(row)
    book.save(path)
    return path


def _check(vcf: Path, fasta: Path) -> None:
    records = read_vcf(vcf).records
    contig = fasta.read_text().split(">")[2].split()[0]
    assert [(r.contig, r.position + 1, r.ref, r.alts) for r in records] == [
        (contig, 33, "C", ("A",)), (contig, 34, "A", ("C",)), (contig, 41, "T", ("G",)),
    ]  # fmt: skip
    assert [r.values("CLASS") for r in records] == [["LOF"], ["INT"], ["FUNC"]]
    assert records[0].values("CONSEQUENCE") == ["Canonical_splice"]
    assert records[1].values("CONSEQUENCE") == []


def test_the_spreadsheet_as_published(tmp_path: Path, fasta: Path) -> None:
    counts = write_findlay_vcf(_write_spreadsheet(tmp_path / "table.xlsx"), fasta, tmp_path / "out.vcf")
    assert counts == {"LOF": 1, "INT": 1, "FUNC": 1}
    _check(tmp_path / "out.vcf", fasta)


@pytest.fixture
def tiny_directory(tmp_path: Path) -> Path:
    return save_tiny_llama(tmp_path / "model", positions=24)


@pytest.mark.parametrize("fasta", ["NC_000017.10 Homo sapiens chromosome 17"], indirect=True)
def test_the_recipe_from_table_to_measures(tmp_path: Path, fasta: Path, tiny_directory: Path) -> None:
    """scripts/brca1/brca1.sh, as it is, on a chromosome of 47 bases and a model of 24 positions."""
    import subprocess
    import sys

    table = _write_spreadsheet(tmp_path / "table.xlsx")
    script = Path(__file__).parents[2] / "scripts" / "brca1" / "brca1.sh"
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [script, tiny_directory, table, fasta], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "3 variants (1 LOF, 1 INT, 1 FUNC)" in done.stdout
    assert "all: AUROC" in done.stdout
    assert "1 positive, 2 negative" in done.stdout
    settings = json.loads((tmp_path / "brca1.scored.metrics.json").read_text())["settings"]
    assert (settings["length"], settings["downstream"], settings["grid"], settings["strand"]) == (24, 12, 1, "forward")
    header, *lines = (tmp_path / "brca1.scored.tsv").read_text().splitlines()
    assert [dict(zip(header.split("\t"), line.split("\t"), strict=True))["status"] for line in lines] == ["scored"] * 3


def test_text(tmp_path: Path, fasta: Path) -> None:
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in (HEAD, *ROWS)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    write_findlay_vcf(tmp_path / "table.csv", fasta, tmp_path / "out.vcf")
    _check(tmp_path / "out.vcf", fasta)


@pytest.mark.parametrize("fasta", ["17"], indirect=True)
@pytest.mark.parametrize(
    ("name", "content", "kind", "line", "names"),
    [
        ("t.csv", "a,b\n1,2\n", "findlay-columns", "", "chromosome"),
        ("t.csv", ",".join(HEAD).replace("hg19", "hg38") + "\nx\n", "findlay-columns", "", "position (hg19)"),
        ("t.csv", ",".join(HEAD) + "\n", "findlay-empty", "", ""),
        ("t.csv", ",".join(HEAD) + "\nBRCA1,17,x,A,C,,0,0,0,0,LOF\n", "findlay-value", ", line 2", "'x'"),
        ("t.csv", ",".join(HEAD) + "\nBRCA1,13,9,A,C,,0,0,0,0,LOF\n", "findlay-chromosome", ", line 2", "'13'"),
        ("t.csv", ",".join(HEAD) + "\nBRCA1,17,9,N,C,,0,0,0,0,LOF\n", "findlay-value", ", line 2", "reference is 'N'"),
        ("t.csv", ",".join(HEAD) + "\nBRCA1,17,9,A,A,,0,0,0,0,LOF\n", "findlay-value", ", line 2", "alt is 'A'"),
        (
            "t.csv",
            ",".join(HEAD) + "\nBRCA1,17,9,A,C,,0,0,0,0,benign\n",
            "findlay-value",
            ", line 2",
            "func.class is 'benign'",
        ),
        ("t.csv", ",".join(HEAD) + "\nBRCA1,17,9,A,C,,0,0,0,0\n", "findlay-value", ", line 2", "func.class is ''"),
        ("t.csv", ",".join(HEAD) + "\nBRCA1,17,900,A,C,,0,0,0,0,LOF\n", "findlay-assembly", "", "900"),
        ("t.xlsx", "not a spreadsheet", "findlay-spreadsheet", "", ""),
        ("none.tsv", None, "findlay-unreadable", "", ""),
    ],
)
def test_another_table_is_refused(
    tmp_path: Path, fasta: Path, name: str, content: str | None, kind: str, line: str, names: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with refused(kind, where=f"{name}{line}", names=names):
        write_findlay_vcf(tmp_path / name, fasta, tmp_path / "out.vcf")
    assert not (tmp_path / "out.vcf").exists()


def test_another_genome_build_is_refused(tmp_path: Path) -> None:
    """One base more at the beginning, as between assemblies: the positions are those of other bases."""
    (tmp_path / "chr17.fa").write_text(f">chr17\nA{CHROMOSOME}\n")
    with refused("findlay-assembly", where="t.xlsx", names="3 of 3", fix="GRCh37"):
        write_findlay_vcf(_write_spreadsheet(tmp_path / "t.xlsx"), tmp_path / "chr17.fa", tmp_path / "out.vcf")
    assert not (tmp_path / "out.vcf").exists()


def test_another_chromosome_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chr13.fa").write_text(">chr13\nACGT\n")
    with refused("findlay-contig", where="chr13.fa", names="chr17"):
        write_findlay_vcf(_write_spreadsheet(tmp_path / "t.xlsx"), tmp_path / "chr13.fa", tmp_path / "out.vcf")
