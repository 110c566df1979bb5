"""The published table of BRCA1 variants (Findlay et al. 2018, supplementary table 1) as a VCF file.

python -m evaluation.variants.findlay TABLE.xlsx CHR17.fa.gz brca1.vcf

3,893 single-nucleotide variants at GRCh37 positions, measured by saturation genome editing: 823 LOF, 249 INT and
2,821 FUNC.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from conduct.atomic import atomic_file
from conduct.errors import InputError

CONTIGS = ("17", "chr17", "NC_000017.10")  # as Ensembl, UCSC and NCBI name chromosome 17 of GRCh37
COLUMNS = ("chromosome", "position (hg19)", "reference", "alt", "func.class", "function.score.mean")
CONSEQUENCE = "consequence"
_HEAD_WITHIN = 10  # the published sheet has two lines above its header

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

    How many variants of each class. Errors: `InputError`.
    """
    contig = _contig(fasta)
    rows = _rows(table)
    head = next((row for _, row in zip(range(_HEAD_WITHIN), rows, strict=False) if set(COLUMNS) <= set(row)), None)
    if head is None:
        raise InputError(f"has no columns {', '.join(COLUMNS)}", where=table, fix=_PUBLISHED)
    named = [dict(zip(head, row, strict=False)) for row in rows if any(row)]
    variants = sorted(_variant(row, contig, table) for row in named)
    if not variants:
        raise InputError("has no variant", where=table, fix=_PUBLISHED)
    with atomic_file(vcf) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(_HEADER)
        file.writelines(line for _, line in variants)
    return Counter(row["func.class"] for row in named)


def _contig(fasta: Path) -> str:
    from corpus.readers.fasta import read_fasta

    found = next((record.name for record in read_fasta(fasta) if record.name in CONTIGS), None)
    if found is None:
        raise InputError(f"has no record {', '.join(CONTIGS)}", where=fasta, fix="Give chromosome 17 of GRCh37.")
    return found


def _variant(row: dict[str, str], contig: str, table: Path) -> tuple[int, str]:
    chromosome, position, ref, alt, kind, score = (row.get(column, "") for column in COLUMNS)
    try:
        place = int(float(position))
    except ValueError:
        problem = f"position (hg19) is {position!r}"
        raise InputError(problem, where=table, fix=_PUBLISHED) from None
    if chromosome.removesuffix(".0") not in CONTIGS:  # a number in the spreadsheet
        raise InputError(f"chromosome is {chromosome!r}, not 17", where=table, fix=_PUBLISHED)
    info = [f"CLASS={kind}", f"SCORE={score}"]
    if row.get(CONSEQUENCE):
        info.append(f"CONSEQUENCE={row[CONSEQUENCE].replace(' ', '_').replace(';', ',')}")
    return place, f"{contig}\t{place}\t.\t{ref}\t{alt}\t.\t.\t{';'.join(info)}\n"


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
        counts = write_findlay_vcf(*map(Path, sys.argv[1:4]))
        parts = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
        print(f"{counts.total():,} variants ({parts}); wrote {sys.argv[3]}")
    except InputError as problem:
        sys.exit(f"error: {problem}")
