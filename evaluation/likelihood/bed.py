"""The regions of a BED file. What another format has in those columns is refused, never read as BED.

| column | what it must be |
| --- | --- |
| 1 | a contig |
| 2, 3 | start, from 0, and end: digits, start below end |
| 4 | a name; `.` or nothing for none |
| 5 | a score, which is not read |
| 6 | the strand: `+`, `-`, or `.`, which is read forward |
| 7 on | not read; of BED12's blocks (exons) this is said |
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from foundation.errors import InputError, shown
from foundation.terminal import warn

STRANDS = ("+", "-", ".")

_DIGITS = re.compile("[0-9]{1,15}")
_BELOW_0 = re.compile("-[0-9]{1,15}")
_BOM = b"\xef\xbb\xbf"
_COLUMNS = "A line has a contig, a start from 0 and an end, with tabs."


@dataclass(frozen=True, kw_only=True)
class BedLine:
    """The region [start, end) of `contig`; `strand` is + or -. `number` of the line, from 1.

    `blocks`: the line has several of them, as BED12 has exons.
    """

    number: int
    contig: str
    start: int
    end: int
    name: str
    strand: str
    blocks: bool


def read_bed(bed: Path) -> Iterator[BedLine]:
    """The regions of a BED3 to BED12 file, plain or gzip; comments, `track` and `browser` lines are left out.

    Errors: `InputError` with the line for anything else, another format's line among them.
    """
    from corpus.streams.compression import open_source

    empty = True
    with open_source(bed) as stream:
        for number, raw in enumerate(stream, start=1):
            text = raw.removeprefix(_BOM if number == 1 else b"").decode("utf-8", "backslashreplace").rstrip("\r\n")
            fields = text.split("\t") if "\t" in text else text.split()
            if not text.strip() or text.startswith("#") or fields[0].split()[:1] in (["track"], ["browser"]):
                continue
            empty = False
            yield _line(fields, f"{bed}, line {number}", number)
    if empty:
        raise InputError("holds no region", where=bed, fix="Give a BED file: contig, start, end.", kind="bed-empty")


def check_bed(bed: Path) -> None:
    """Read all of it, before anything slow is begun. Errors: those of `read_bed`."""
    for _ in read_bed(bed):
        pass


def warn_blocks(bed: Path, lines: Iterable[BedLine]) -> None:
    """Say that blocks are not read apart, where BED12 has some."""
    if first := next((line for line in lines if line.blocks), None):
        warn(f"{bed}, line {first.number}: blocks (exons) are ignored; each region is read from start to end")


def check_disjoint(bed: Path, out: Path) -> None:
    """Refuse a BED file whose regions overlap, for `out`, which holds one value per base. Errors: `InputError`."""
    lines = sorted(read_bed(bed), key=lambda line: (line.contig, line.start, line.end))
    for one, other in pairwise(lines):
        if one.contig == other.contig and other.start < one.end:
            where = f"{bed}, lines {one.number} and {other.number}"
            problem = f"two regions of {one.contig} overlap at {other.start:,}, which {out.name} cannot hold"
            raise InputError(problem, where=where, fix="Merge the regions, or write Parquet.", kind="regions-overlap")


def _line(fields: list[str], where: str, number: int) -> BedLine:
    _refuse_others(fields, where)
    if len(fields) >= 3 and _BELOW_0.fullmatch(fields[1]):
        problem = f"starts at {fields[1]}, before the contig's first base"
        raise InputError(problem, where=where, fix="Count from 0.", kind="bed-start")
    if len(fields) < 3 or not fields[0].strip() or not all(map(_DIGITS.fullmatch, fields[1:3])):
        header = number == 1 and len(fields) >= 3 and not any(character.isdigit() for character in "".join(fields[1:3]))
        fix = "Remove the line of column names, or put a # before it." if header else _COLUMNS
        raise InputError("is not BED", where=where, fix=fix, kind="not-bed")
    contig, start, end = fields[0], int(fields[1]), int(fields[2])
    if start >= end:
        fix = "The start, from 0, must be below the end."
        raise InputError(f"is empty: [{start}, {end})", where=where, fix=fix, kind="bed-empty-region")
    name = fields[3] if len(fields) > 3 and fields[3] not in ("", ".") else f"{contig}:{start}-{end}"
    strand, blocks = _strand(fields, where), len(fields) >= 12 and fields[9] not in ("", "0", "1")
    return BedLine(number=number, contig=contig, start=start, end=end, name=name, strand=strand, blocks=blocks)


def _strand(fields: list[str], where: str) -> str:
    """+ or -. Errors: `InputError` for another strand, and for one in a column where BED has none."""
    if len(fields) < 6:
        for column in (4, 5):
            if fields[column - 1 : column] in (["+"], ["-"], ["+1"], ["-1"]):
                problem = f"column {column} is {fields[column - 1]!r}, and a strand belongs into column 6"
                fix = "Write contig, start, end, name, score, strand."
                raise InputError(problem, where=where, fix=fix, kind="bed-strand")
        return "+"
    if fields[5] not in STRANDS:
        problem = f"strand {shown(fields[5])} is not '+', '-' or '.'"
        raise InputError(problem, where=where, fix=_strand_fix(fields), kind="bed-strand")
    return "-" if fields[5] == "-" else "+"


def _strand_fix(fields: list[str]) -> str:
    if _DIGITS.fullmatch(fields[4]) and _DIGITS.fullmatch(fields[5]) and len(fields) >= 7:
        return "It looks like BEDPE; give one region per line: contig, start, end, name, score, strand."
    return "Column 6 is '+' for the forward strand and '-' for the reverse; separate the columns with tabs."


def _refuse_others(fields: list[str], where: str) -> None:
    """Errors: `InputError` for a line of GFF or GTF, of a Picard interval list, or of a table with UCSC's bin."""

    def refuse(name: str, fix: str) -> None:
        raise InputError(f"is {name}, not BED", where=where, fix=fix, kind="not-bed")

    if len(fields) >= 8 and all(map(_DIGITS.fullmatch, fields[3:5])) and fields[6] in ("+", "-", ".", "?"):
        refuse("GFF or GTF", "Convert it: awk -F'\\t' -v OFS='\\t' '!/^#/ {print $1, $4 - 1, $5, $3, 0, $7}' FILE.")
    if fields[0].startswith("@"):
        refuse("an interval list, which counts from 1", "Convert it, e.g. with gatk IntervalListToBed.")
    digits = [_DIGITS.fullmatch(field) is not None for field in fields[:4]]
    if digits == [True, False, True, True]:
        refuse("a UCSC table with a bin", "Remove the first column: cut -f2- FILE.")
