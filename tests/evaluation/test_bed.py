"""Every column of a BED file: what is read, and what is refused with its line rather than taken for something else."""

import gzip
from pathlib import Path

import pytest
from refusal import refused

from evaluation.likelihood.bed import read_bed
from evaluation.likelihood.regions import read_regions

GFF = "c1\tsrc\tgene\t501\t600\t.\t-\t.\tID=x"
GTF = 'c1\tsrc\texon\t501\t600\t.\t+\t0\tgene_id "x";'


def _read(folder: Path, text: str | bytes) -> list[tuple[str, int, int, str, str]]:
    path = folder / "r.bed"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [(one.contig, one.start, one.end, one.name, one.strand) for one in read_bed(path)]


@pytest.mark.parametrize(
    ("line", "name", "strand"),
    [
        ("c1\t500\t600", "c1:500-600", "+"),
        ("c1 500 600", "c1:500-600", "+"),
        ("c1\t500\t600\t.", "c1:500-600", "+"),
        ("c1\t500\t600\t", "c1:500-600", "+"),
        ("c1\t500\t600\tmy region\t0", "my region", "+"),
        ("c1\t500\t600\tr\t0\t+", "r", "+"),
        ("c1\t500\t600\tr\t0\t-", "r", "-"),
        ("c1\t500\t600\tr\t0\t-\r", "r", "-"),
        ("c1\t500\t600\tr\t\t.", "r", "+"),
        ("c1\t500\t600\t-\t0\t-", "-", "-"),
        ("c1\t500\t600\tr\t0\t-\t500\t600\t0\t2\t20,20,\t0,80,", "r", "-"),
        ("c1\t500\t600\tr\t0\t-\t500\t600\t255,0,0", "r", "-"),
        ("c1\t500\t600\tpeak\t0\t.\t5.3\t-1\t-1\t50", "peak", "+"),  # narrowPeak
    ],
)
def test_what_is_bed(tmp_path: Path, line: str, name: str, strand: str) -> None:
    expected = [("c1", 500, 600, name, strand)]
    assert _read(tmp_path, line) == expected
    assert _read(tmp_path, f"\ufefftrack name=x\nbrowser position c1:1-2\n#c\n\n{line}\n") == expected
    assert _read(tmp_path, "\ufeff" + line) == expected
    assert _read(tmp_path, gzip.compress(line.encode())) == expected


@pytest.mark.parametrize(
    "strand",
    [
        "-1",
        "+1",
        "1",
        "reverse",
        "forward",
        "minus",
        "--",
        "+-",
        "-+",
        "+/-",
        "",
        " ",
        " -",
        "- ",
        "*",
        "?",
        "\u2212",
        "R",
        "0",
    ],
)
def test_another_strand_is_refused_with_its_line(tmp_path: Path, strand: str) -> None:
    for rest in ("", "\t500\t600\t0"):
        with refused("bed-strand", where=f"{tmp_path / 'r.bed'}, line 2"):
            _read(tmp_path, f"c1\t500\t600\tr1\t0\t-\nc1\t500\t600\tr1\t0\t{strand}{rest}\n")


@pytest.mark.parametrize(
    "line",
    [
        "c1\t500\t600\t-",
        "c1 500 600 -",
        "c1\t500\t600\t-1",
        "c1\t500\t600\t+1",
        "c1\t500\t600\tr\t-",
        "c1 500 600 my region 0 -",
        "c1 5 9 c2 7 12 name 0 + -",
    ],
)
def test_a_strand_in_another_column_is_refused(tmp_path: Path, line: str) -> None:
    with refused("bed-strand"):
        _read(tmp_path, line)


@pytest.mark.parametrize(
    "text",
    [
        GFF, GTF, "##gff-version 3\n" + GFF, GFF.replace("src\tgene", "1\t2"), GFF.replace("\t", " "),
        GFF.replace("\t-\t", "\t?\t"), GFF.rpartition("\t")[0], "@HD\tVN:1.6\nc1\t501\t600\t+\tx",
        "c1\t500\t.\tA\tC\t.\t.\t.", "585\tc1\t500\t600\tr\t0\t-", "chrom\tstart\tend\nc1\t500\t600",
        "c1\t5e2\t600", "c1\t500.0\t600", "c1\t+500\t600", "c1\t1,000\t2,000", "c1\t500",
        "\t500\t600", "c1:500-600", "c1\t \uff15\t600", "c1\t500\t",
    ],
)  # fmt: skip
def test_what_is_not_bed_is_refused(tmp_path: Path, text: str) -> None:
    with refused("not-bed") as refusal:
        _read(tmp_path, text)
    assert ", line " in str(refusal.value.where)


def test_gff_is_told_how_to_become_bed(tmp_path: Path) -> None:
    with refused("not-bed", fix="awk"):
        _read(tmp_path, GFF)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("c1\t5\t5", "bed-empty-region"),
        ("c1\t-1\t5", "bed-start"),
        ("c1\t6\t5", "bed-empty-region"),
        ("#x\n", "bed-empty"),
    ],
)
def test_nothing_to_read_is_refused(tmp_path: Path, text: str, kind: str) -> None:
    with refused(kind):
        _read(tmp_path, text)


@pytest.mark.parametrize(("line", "kind"), [("c2\t0\t5", "bed-contig"), ("c1\t0\t13", "bed-end")])
def test_regions_of_another_genome_are_refused(tmp_path: Path, line: str, kind: str) -> None:
    (tmp_path / "g.fa").write_text(">c1\nACGTACGTACGT\n")
    (tmp_path / "r.bed").write_text(line)
    with refused(kind):
        list(read_regions(tmp_path / "g.fa", bed=tmp_path / "r.bed"))


def test_blocks_are_said_not_to_be_read_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "g.fa").write_text(">c1\nACGTACGTACGT\n")
    (tmp_path / "r.bed").write_text("c1\t2\t9\tx\t0\t-\t2\t9\t0\t2\t2,2,\t0,5,\n")
    (region,) = read_regions(tmp_path / "g.fa", bed=tmp_path / "r.bed")
    assert (region.start, region.ids.tobytes(), region.strand) == (2, b"GTACGTA", "-")
    assert "r.bed, line 1: blocks" in capsys.readouterr().err
