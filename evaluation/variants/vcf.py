"""VCF text, plain or gzip: read by line, and written again with what was found in INFO, and all else as it was."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import InputError, shown

COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_ALLELE = re.compile("[ACGT]+", re.IGNORECASE)
_PER_ALLELE = re.compile("##INFO=<ID=([^,>]+),Number=A[,>]")


@dataclass(frozen=True, kw_only=True)
class VcfRecord:
    """One data line. `position` counts from 0; `fields` is the whole line, by column.

    `per_allele`: the INFO keys that have a value for each alternative allele, as the header says.
    """

    line: int
    contig: str
    position: int
    id: str
    ref: str
    alts: tuple[str, ...]
    fields: tuple[str, ...]
    per_allele: frozenset[str] = frozenset()

    def info(self, key: str, allele: int = 0) -> str | None:
        """The value of an INFO key, "" for a flag, None where the record, or its alternative `allele`, has none."""
        for item in self.fields[7].split(";"):
            name, _, value = item.partition("=")
            if name == key:
                values = value.split(",") if key in self.per_allele else [value] * len(self.alts)
                return values[allele] if len(values) == len(self.alts) else None
        return None


@dataclass(frozen=True, kw_only=True)
class Vcf:
    """A whole VCF file; `header` has its lines up to the one of columns."""

    header: tuple[str, ...]
    records: tuple[VcfRecord, ...]


def read_vcf(path: Path) -> Vcf:
    """Read `path`. Errors: `InputError` naming the file and the line for what is no VCF."""
    from corpus.streams.compression import open_source

    header: list[str] = []
    records: list[VcfRecord] = []
    per_allele: frozenset[str] = frozenset()
    with open_source(path) as stream:
        for number, raw in enumerate(stream, start=1):
            text = raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
            if number == 1 and not text.startswith("##fileformat=VCF"):
                fix = "Give a VCF file, plain or gzip; convert BCF with bcftools view."
                raise InputError("is no VCF: its first line is not ##fileformat=VCF...", where=path, fix=fix)
            if text.startswith("#"):
                header.append(text)
                if found := _PER_ALLELE.match(text):
                    per_allele |= {found[1]}
            elif text:
                records.append(_record(text, path, number, per_allele))
    if not header[-1].startswith("#CHROM") or tuple(header[-1].split("\t")[:8]) != COLUMNS:
        raise InputError("has no line of columns", where=path, fix=f"It begins {' '.join(COLUMNS[:3])}, with tabs.")
    if not records:
        raise InputError("holds no variant", where=path, fix="Give a VCF file with records.")
    return Vcf(header=tuple(header), records=tuple(records))


def is_sequence(allele: str) -> bool:
    """True for letters A, C, G and T; False for N, `<DEL>`, `*`, `.`, and breakends."""
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


def _record(text: str, path: Path, number: int, per_allele: frozenset[str]) -> VcfRecord:
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
        per_allele=per_allele,
    )
