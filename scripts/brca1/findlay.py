"""The published table of BRCA1 variants (Findlay et al. 2018, supplementary table 1) as a VCF file.

python -m scripts.brca1.findlay TABLE.xlsx CHR17.fa.gz brca1.vcf

Single-nucleotide variants at GRCh37 positions, measured by saturation genome editing; the paper has 3,893 (its
figure 2). Each is LOF, INT or FUNC.
"""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from foundation.atomic import atomic_file
from foundation.errors import InputError

CONTIGS = ("17", "chr17", "NC_000017.10")  # as Ensembl, UCSC and NCBI name chromosome 17 of GRCh37
COLUMNS = ("chromosome", "position (hg19)", "reference", "alt", "func.class", "function.score.mean")
CLASSES = ("LOF", "INT", "FUNC")
CONSEQUENCE = "consequence"
_HEAD_WITHIN = 10  # the published sheet has two lines above its header

_NUMBER = r"-?[0-9.]+(e-?[0-9]+)?"
_PUBLISHED = "Give supplementary table 1 as it was published."

_HEADER = """##fileformat=VCFv4.2
##source=Findlay et al. 2018, supplementary table 1
##INFO=<ID=CLASS,Number=1,Type=String,Description="LOF, INT or FUNC">
##INFO=<ID=SCORE,Number=1,Type=Float,Description="Function score, mean of replicates">
##INFO=<ID=CONSEQUENCE,Number=1,Type=String,Description="As the table says it">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
"""


def write_findlay_vcf(table: Path, fasta: Path, vcf: Path) -> Counter[str]:
    """Write `vcf` from the .xlsx, .csv or .tsv `table`, sorted, on chromosome 17 as `fasta` names it.

    How many variants of each class. Errors: `InputError`, also where a reference base is not what `fasta` has.
    """
    rows = enumerate(_rows(table), start=1)
    head = next((row for _, row in islice(rows, _HEAD_WITHIN) if set(COLUMNS) <= set(row)), None)
    if head is None:
        raise InputError(
            f"has no line with the columns {', '.join(COLUMNS)}", where=table, fix=_PUBLISHED, kind="findlay-columns"
        )
    named = [(number, dict(zip(head, row, strict=False))) for number, row in rows if any(row)]
    variants = sorted(_variant(row, f"{table}, line {number}") for number, row in named)
    if not variants:
        raise InputError("has no variant", where=table, fix=_PUBLISHED, kind="findlay-empty")
    contig, sequence = _chromosome(fasta)
    _check_references(variants, sequence, table, fasta)
    with atomic_file(vcf) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(_HEADER)
        file.writelines(f"{contig}\t{v.position}\t.\t{v.ref}\t{v.alt}\t.\t.\t{v.info}\n" for v in variants)
    return Counter(row["func.class"] for _, row in named)


class _Variant(NamedTuple):
    """`position` from 1."""

    position: int
    ref: str
    alt: str
    info: str


def _chromosome(fasta: Path) -> tuple[str, bytes]:
    from corpus.readers.fasta import read_fasta

    found = next((record for record in read_fasta(fasta) if record.name in CONTIGS), None)
    if found is None:
        raise InputError(
            f"has no record {', '.join(CONTIGS)}",
            where=fasta,
            fix="Give chromosome 17 of GRCh37.",
            kind="findlay-contig",
        )
    return found.name, found.sequence


def _check_references(variants: Sequence[_Variant], sequence: bytes, table: Path, fasta: Path) -> None:
    """Another genome build has another base at three of four places; one such place is too many."""
    there = [sequence[v.position - 1 : v.position].decode("latin-1").upper() or "no base" for v in variants]
    wrong = [(one, base) for one, base in zip(variants, there, strict=True) if one.ref != base]
    if wrong:
        one, base = wrong[0]
        problem = (
            f"{len(wrong):,} of {len(variants):,} reference bases are not those of {fasta}: "
            f"at {one.position:,} the table has {one.ref}, the FASTA {base}"
        )
        raise InputError(
            problem,
            where=table,
            fix="The positions are of GRCh37 (hg19): give its chromosome 17.",
            kind="findlay-assembly",
        )


def _variant(row: dict[str, str], where: str) -> _Variant:
    chromosome, position, ref, alt, kind, score = (row.get(column, "") for column in COLUMNS)
    if chromosome.removesuffix(".0") not in CONTIGS:  # a number in the spreadsheet
        raise InputError(
            f"chromosome is {chromosome!r}, not 17", where=where, fix=_PUBLISHED, kind="findlay-chromosome"
        )
    checks = (
        ("position (hg19)", position, re.fullmatch(r"[1-9][0-9]{0,8}(\.0)?", position)),
        ("reference", ref, re.fullmatch("[ACGT]", ref)),
        ("alt", alt, re.fullmatch("[ACGT]", alt) and alt != ref),
        ("func.class", kind, kind in CLASSES),
    )
    for column, value, good in checks:
        if not good:
            raise InputError(f"{column} is {value!r}", where=where, fix=_PUBLISHED, kind="findlay-value")
    info = [f"CLASS={kind}"]
    if re.fullmatch(_NUMBER, score):
        info.append(f"SCORE={score}")
    if row.get(CONSEQUENCE):
        info.append(f"CONSEQUENCE={re.sub('[^A-Za-z0-9_.-]+', '_', row[CONSEQUENCE])}")
    return _Variant(position=int(float(position)), ref=ref, alt=alt, info=";".join(info))


def _openpyxl(table: Path) -> Any:
    try:
        import openpyxl
    except ImportError:
        fix = "Install it: pip install -e '.[spreadsheets]'; or save the table as .csv."
        raise InputError(
            "needs openpyxl, which is not installed", where=table, fix=fix, kind="missing-package"
        ) from None
    return openpyxl


def _rows(table: Path) -> Iterator[Sequence[str]]:
    """The rows as texts."""
    try:
        if table.suffix.lower() == ".xlsx":
            sheet = _openpyxl(table).load_workbook(table, read_only=True, data_only=True).worksheets[0]
            yield from (["" if v is None else str(v) for v in row] for row in sheet.iter_rows(values_only=True))
        else:
            with open(table, encoding="utf-8-sig", newline="") as file:
                yield from csv.reader(file, delimiter="," if table.suffix.lower() == ".csv" else "\t")
    except (OSError, KeyError, ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"cannot be read ({error})", where=table, fix="Give .xlsx, .csv or .tsv.", kind="findlay-unreadable"
        ) from error
    except Exception as error:  # openpyxl raises zipfile's own for what is not a spreadsheet
        if type(error).__name__ not in ("BadZipFile", "InvalidFileException"):
            raise
        raise InputError(
            f"is not a spreadsheet ({error})", where=table, fix="Give .xlsx, .csv or .tsv.", kind="findlay-spreadsheet"
        ) from error


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m scripts.brca1.findlay TABLE CHR17 OUT.vcf")
    try:
        counts = write_findlay_vcf(*map(Path, sys.argv[1:]))
    except InputError as problem:
        sys.exit(f"error: {problem}")
    parts = ", ".join(f"{counts[name]:,} {name}" for name in CLASSES)
    print(f"{counts.total():,} variants ({parts}); wrote {sys.argv[3]}")
