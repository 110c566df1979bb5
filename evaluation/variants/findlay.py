"""The published table of BRCA1 variants (Findlay et al. 2018, supplementary table 1) as a VCF file.

python -m evaluation.variants.findlay TABLE.xlsx brca1.vcf

3,893 single-nucleotide variants at GRCh37 positions, measured by saturation genome editing: LOF, INT or FUNC.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from conduct.atomic import atomic_file
from conduct.errors import InputError

COLUMNS = ("chromosome", "position (hg19)", "reference", "alt", "func.class", "function.score.mean")
CONSEQUENCE = "consequence"
_HEAD_WITHIN = 10  # the published sheet has two lines above its header

_HEADER = """##fileformat=VCFv4.2
##source=Findlay et al. 2018, supplementary table 1
##INFO=<ID=CLASS,Number=1,Type=String,Description="LOF, INT or FUNC">
##INFO=<ID=SCORE,Number=1,Type=Float,Description="Function score, mean of replicates">
##INFO=<ID=CONSEQUENCE,Number=1,Type=String,Description="As the table says it">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
"""


def write_findlay_vcf(table: Path, vcf: Path) -> int:
    """Write `vcf` from the .xlsx, .csv or .tsv `table`, sorted; how many variants. Errors: `InputError`."""
    rows = _rows(table)
    head = next((row for _, row in zip(range(_HEAD_WITHIN), rows, strict=False) if set(COLUMNS) <= set(row)), None)
    if head is None:
        raise InputError(f"has no columns {', '.join(COLUMNS)}", where=table, fix="Give supplementary table 1.")
    variants = sorted(_variant(dict(zip(head, row, strict=False)), table) for row in rows if any(row))
    if not variants:
        raise InputError("has no variant", where=table, fix="Give supplementary table 1.")
    with atomic_file(vcf) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(_HEADER)
        file.writelines(line for _, line in variants)
    return len(variants)


def _variant(row: dict[str, str], table: Path) -> tuple[tuple[str, int], str]:
    contig, position, ref, alt, kind, score = (row.get(column, "") for column in COLUMNS)
    try:
        place = int(float(position))
    except ValueError:
        problem = f"position (hg19) is {position!r}"
        raise InputError(problem, where=table, fix="Give the table as it was published.") from None
    info = [f"CLASS={kind}", f"SCORE={score}"]
    if row.get(CONSEQUENCE):
        info.append(f"CONSEQUENCE={row[CONSEQUENCE].replace(' ', '_').replace(';', ',')}")
    contig = contig.removesuffix(".0")  # a number in the spreadsheet
    return (contig, place), f"{contig}\t{place}\t.\t{ref}\t{alt}\t.\t.\t{';'.join(info)}\n"


def _rows(table: Path) -> Iterator[Sequence[str]]:
    """The rows as texts."""
    try:
        if table.suffix.lower() == ".xlsx":
            from openpyxl import load_workbook

            sheet = load_workbook(table, read_only=True, data_only=True).worksheets[0]
            yield from (["" if v is None else str(v) for v in row] for row in sheet.iter_rows(values_only=True))
        else:
            with open(table, encoding="utf-8", newline="") as file:
                yield from csv.reader(file, delimiter="," if table.suffix.lower() == ".csv" else "\t")
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot be read ({error})", where=table, fix="Give .xlsx, .csv or .tsv.") from error
    except Exception as error:  # openpyxl raises zipfile's own for what is no spreadsheet
        if type(error).__name__ not in ("BadZipFile", "InvalidFileException"):
            raise
        raise InputError(f"is no spreadsheet ({error})", where=table, fix="Give .xlsx, .csv or .tsv.") from error


if __name__ == "__main__":
    try:
        print(f"{write_findlay_vcf(Path(sys.argv[1]), Path(sys.argv[2])):,} variants; wrote {sys.argv[2]}")
    except InputError as problem:
        sys.exit(f"error: {problem}")
