"""VCF text, plain or gzip: read line by line, and written with the results in INFO and everything else unchanged."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foundation.errors import InputError, shown

COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_ALLELE = re.compile("[ACGTU]+", re.IGNORECASE)
_INFO = re.compile("##INFO=<(.*)>\\s*")
_PAIR = re.compile(r'(\w+)\s*=\s*("(?:[^"\\]|\\.)*"|[^,]*)')  # of a header line, in any order
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class VcfRecord:
    """One data line. `position` counts from 0; `fields` is the whole line, by column.

    `numbers`: how many values each INFO key has, as the header says: "1", "A" for one per alternative allele, ".", ...
    """

    line: int
    contig: str
    position: int
    id: str
    ref: str
    alts: tuple[str, ...]
    fields: tuple[str, ...]
    numbers: Mapping[str, str] = field(default_factory=dict)

    def values(self, key: str) -> list[str]:
        """What follows `key=` in INFO, for each time that it comes; "" where nothing does, as of a flag."""
        pairs = (item.partition("=") for item in self.fields[7].split(";"))
        return [value for name, _, value in pairs if name == key]


@dataclass(frozen=True, kw_only=True)
class Vcf:
    """A whole VCF file; `header` has its lines up to the one of columns."""

    header: tuple[str, ...]
    records: tuple[VcfRecord, ...]


def read_vcf(path: Path) -> Vcf:
    """Read `path`. Errors: `InputError` naming the file and the line for what is not one VCF file."""
    from corpus.streams.compression import open_source

    header: list[str] = []
    records: list[VcfRecord] = []
    numbers: dict[str, str] = {}
    with open_source(path) as stream:
        for number, raw in enumerate(stream, start=1):
            text = raw.removeprefix(_BOM if number == 1 else b"").decode("utf-8", "surrogateescape").rstrip("\r\n")
            if number == 1 and not text.startswith("##fileformat=VCF"):
                fix = "Give a VCF file, plain or gzip; convert BCF with bcftools view."
                problem = "is not VCF: its first line is not ##fileformat=VCF..."
                raise InputError(problem, where=path, fix=fix, kind="not-vcf")
            if text.startswith("#"):
                _add_header(text, header, numbers, f"{path}, line {number}")
            elif text:
                _check_columns(header, path)
                records.append(_record(text, path, number, numbers))
    _check_columns(header, path)
    if not records:
        raise InputError("holds no variant", where=path, fix="Give a VCF file with records.", kind="vcf-empty")
    return Vcf(header=tuple(header), records=tuple(records))


def _add_header(text: str, header: list[str], numbers: dict[str, str], where: str) -> None:
    """Take a line of the header. Errors: `InputError` for one after the line of columns, as of a second file."""
    if header and header[-1].startswith("#CHROM"):
        second = text.startswith(("##", "#CHROM"))
        problem = "a second header begins here" if second else "a line that begins with # comes after the header"
        fix = "Join VCF files with bcftools concat, not with cat." if second else "Remove the line."
        raise InputError(problem, where=where, fix=fix, kind="vcf-second-header")
    header.append(text)
    if found := _INFO.fullmatch(text):
        pairs = dict(_PAIR.findall(found[1]))
        if "ID" in pairs and "Number" in pairs:
            numbers.setdefault(pairs["ID"].strip(), pairs["Number"].strip())


def _check_columns(header: list[str], path: Path) -> None:
    if not header[-1].startswith("#CHROM") or tuple(header[-1].split("\t")[:8]) != COLUMNS:
        fix = f"It begins {' '.join(COLUMNS[:3])}, with tabs."
        raise InputError("has no line of columns", where=path, fix=fix, kind="vcf-columns")


def is_sequence(allele: str) -> bool:
    """True for letters A, C, G and T, and U, which is read as T; False for N, `<DEL>`, `*`, `.`, and breakends."""
    return _ALLELE.fullmatch(allele) is not None


def annotated(vcf: Vcf, meta: Sequence[str], values: Iterable[str]) -> Iterator[str]:
    """The lines of `vcf` with header lines `meta`, and one text of `key=value;...` added to each record's INFO.

    What an earlier run has added under the same keys is left out.
    """
    ours = {_subject(line) for line in meta}
    kept = [line for line in vcf.header[:-1] if _subject(line) not in ours]
    yield from (f"{line}\n" for line in (*kept, *meta, vcf.header[-1]))
    for record, added in zip(vcf.records, values, strict=True):
        fields, keys = list(record.fields), {item.partition("=")[0] for item in added.split(";")}
        before = [item for item in fields[7].split(";") if item not in (".", "") and item.partition("=")[0] not in keys]
        fields[7] = ";".join([*before, added])
        yield "\t".join(fields) + "\n"


def _subject(line: str) -> str:
    """What a header line is about: its key, and its ID where it has one."""
    return line.split("," if "=<ID=" in line else "=")[0]


def write_lines(path: Path, lines: Iterable[str], *, compressed: bool) -> None:
    """Write text; `compressed` with bgzip, as tabix and bcftools want it."""
    from pysam import BGZFile

    if not compressed:
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(lines)
        return
    with BGZFile(str(path), "wb") as stream:
        for line in lines:
            stream.write(line.encode("utf-8", "surrogateescape"))


def _record(text: str, path: Path, number: int, numbers: Mapping[str, str]) -> VcfRecord:
    fields = tuple(text.split("\t"))
    where = f"{path}, line {number}"
    if len(fields) < len(COLUMNS):
        problem = f"has {len(fields)} columns, {len(COLUMNS)} or more were expected"
        raise InputError(problem, where=where, fix="Columns are separated by tabs.", kind="vcf-columns")
    contig, position, name, ref, alts = fields[:5]
    if not re.fullmatch("[0-9]{1,15}", position):
        raise InputError(
            f"POS is {shown(position)}", where=where, fix="It must be a number from 1.", kind="vcf-position"
        )
    return VcfRecord(
        line=number,
        contig=contig,
        position=int(position) - 1,
        id=name,
        ref=ref,
        alts=tuple(alts.split(",")),
        fields=fields,
        numbers=numbers,
    )
