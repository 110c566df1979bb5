"""The published table, as spreadsheet and as text, becomes a sorted VCF."""

from pathlib import Path

import pytest

from conduct.errors import InputError
from evaluation.variants.findlay import write_findlay_vcf
from evaluation.variants.vcf import read_vcf

HEAD = ["gene", "chromosome", "position (hg19)", "reference", "alt", "consequence", "function.score.mean", "func.class"]
ROWS = [
    ["BRCA1", 17, 41276135, "T", "G", "Missense", -0.37, "FUNC"],
    ["BRCA1", 17, 41276033, "C", "A", "Canonical splice", -2.05, "LOF"],
    ["BRCA1", 17, 41276034, "A", "C", None, -0.9, "INT"],
]


def _check(vcf: Path) -> None:
    records = read_vcf(vcf).records
    assert [(r.contig, r.position + 1, r.ref, r.alts) for r in records] == [
        ("17", 41276033, "C", ("A",)), ("17", 41276034, "A", ("C",)), ("17", 41276135, "T", ("G",)),
    ]  # fmt: skip
    assert [r.info("CLASS") for r in records] == ["LOF", "INT", "FUNC"]
    assert records[0].info("CONSEQUENCE") == "Canonical_splice"
    assert records[1].info("CONSEQUENCE") is None


def test_the_spreadsheet_as_published(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in (["Supplementary Table 1"], [], HEAD, *ROWS):
        book.active.append(row)
    book.save(tmp_path / "table.xlsx")
    assert write_findlay_vcf(tmp_path / "table.xlsx", tmp_path / "out.vcf") == 3
    _check(tmp_path / "out.vcf")


def test_text(tmp_path: Path) -> None:
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in (HEAD, *ROWS)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    write_findlay_vcf(tmp_path / "table.csv", tmp_path / "out.vcf")
    _check(tmp_path / "out.vcf")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "a,b\n1,2\n", "has no columns chromosome"),
        ("t.csv", ",".join(HEAD) + "\n", "has no variant"),
        ("t.csv", ",".join(HEAD) + "\nBRCA1,17,x,A,C,,0,LOF\n", "is 'x'"),
        ("t.xlsx", "no spreadsheet", "is no spreadsheet"),
        ("none.tsv", None, "cannot be read"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        write_findlay_vcf(tmp_path / name, tmp_path / "out.vcf")
    assert not (tmp_path / "out.vcf").exists()
