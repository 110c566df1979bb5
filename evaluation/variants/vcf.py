"""VCF text, plain or gzip: read by line, and written again with what was found in INFO, and all else as it was."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conduct.errors import InputError, shown

COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_ALLELE = re.compile("[ACGTN]+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class VcfRecord:
    """One data line. `position` counts from 0; `fields` is the whole line, by column."""

    line: int
    contig: str
    position: int
    id: str
    ref: str
    alts: tuple[str, ...]
    fields: tuple[str, ...]

    def info(self, key: str) -> str | None:
        """The value of an INFO key, "" for a flag, None where the record has none."""
        for item in self.fields[7].split(";"):
            name, _, value = item.partition("=")
            if name == key:
                return value
        return None


@dataclass(frozen=True, kw_only=True)
class Vcf:
    """A whole VCF file; `header` has its lines up to the one of columns."""

    header: tuple[str, ...]
    records: tuple[VcfRecord, ...]


def read_vcf(path: Path) -> Vcf:
    """Read `path`. Errors: `InputError` naming the file and the line for what is no VCF."""
    from corpus.readers.compression import open_source

    header: list[str] = []
    records: list[VcfRecord] = []
    with open_source(path) as stream:
        for number, raw in enumerate(stream, start=1):
            text = raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
            if number == 1 and not text.startswith("##fileformat=VCF"):
                fix = "Give a VCF file, plain or gzip; convert BCF with bcftools view."
                raise InputError("is no VCF: its first line is not ##fileformat=VCF...", where=path, fix=fix)
            if text.startswith("#"):
                header.append(text)
            elif text:
                records.append(_record(text, path, number))
    if not header[-1].startswith("#CHROM") or tuple(header[-1].split("\t")[:8]) != COLUMNS:
        raise InputError("has no line of columns", where=path, fix=f"It begins {' '.join(COLUMNS[:3])}, with tabs.")
    if not records:
        raise InputError("holds no variant", where=path, fix="Give a VCF file with records.")
    return Vcf(header=tuple(header), records=tuple(records))


def is_sequence(allele: str) -> bool:
    """True for letters A, C, G, T and N; False for `<DEL>`, `*`, `.`, and breakends."""
    return _ALLELE.fullmatch(allele) is not None


def annotated(vcf: Vcf, meta: Sequence[str], values: Iterable[str]) -> Iterator[str]:
    """The lines of `vcf` with header lines `meta`, and one text of `key=value;...` added to each record's INFO."""
    yield from (f"{line}\n" for line in (*vcf.header[:-1], *meta, vcf.header[-1]))
    for record, added in zip(vcf.records, values, strict=True):
        fields = list(record.fields)
        fields[7] = added if fields[7] in (".", "") else f"{fields[7]};{added}"
        yield "\t".join(fields) + "\n"


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


def _record(text: str, path: Path, number: int) -> VcfRecord:
    fields = tuple(text.split("\t"))
    where = f"{path}, line {number}"
    if len(fields) < len(COLUMNS):
        problem = f"has {len(fields)} columns, {len(COLUMNS)} or more were expected"
        raise InputError(problem, where=where, fix="Columns are separated by tabs.")
    contig, position, name, ref, alts = fields[:5]
    if not re.fullmatch("[0-9]{1,15}", position):
        raise InputError(f"POS is {shown(position)}", where=where, fix="It must be a number from 1.")
    return VcfRecord(
        line=number,
        contig=contig,
        position=int(position) - 1,
        id=name,
        ref=ref,
        alts=tuple(alts.split(",")),
        fields=fields,
    )
