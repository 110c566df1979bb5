"""Features of a GTF, GFF3 or BED file, plain or gzip, checked against the contigs that they lie on."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from evaluation.likelihood.bed import read_bed
from evaluation.likelihood.regions import load_contigs
from foundation.errors import InputError, shown
from tokenizer.sequence import Ids

_DIGITS = re.compile("[0-9]{1,15}")
_GTF = re.compile(r'\s*([^\s";]+)\s+("[^"]*"|[^;]*)\s*(?:;|$)')
_BOM = b"\xef\xbb\xbf"
_FIX = "Give GTF or GFF3: nine columns, separated by tabs."


@dataclass(frozen=True, kw_only=True)
class Feature:
    """The bases [start, end) of `contig`. `kind`: column 3, or the name of a BED line; `strand` is + or -.

    `parent`: what its parts have in common: transcript_id, Parent or ID, and else the gene. `gene`: its name.
    """

    contig: str
    start: int
    end: int
    kind: str
    strand: str
    parent: str = ""
    gene: str = ""
    line: int = 0


def read_features(path: Path) -> list[Feature]:
    """All features of a GTF or GFF3 file; those of a BED file where the name says .bed.

    Errors: `InputError` with the line for what is neither, and for a file without a feature.
    """
    if path.name.removesuffix(".gz").endswith(".bed"):
        lines = list(read_bed(path))
        return [
            Feature(contig=one.contig, start=one.start, end=one.end, kind=one.name, strand=one.strand, line=one.number)
            for one in lines
        ]
    found = list(_features(path))
    if not found:
        raise InputError("holds no feature", where=path, fix=_FIX, kind="annotation-empty")
    return found


def _features(path: Path) -> Iterator[Feature]:
    from corpus.streams.compression import open_source

    with open_source(path) as stream:
        for number, raw in enumerate(stream, start=1):
            text = raw.removeprefix(_BOM if number == 1 else b"").decode("utf-8", "backslashreplace").rstrip("\r\n")
            if text.startswith(("##FASTA", ">")):
                return  # GFF3 may have its sequence below
            if text.strip() and not text.startswith("#"):
                yield _feature(text.split("\t"), f"{path}, line {number}", number)


def _feature(fields: list[str], where: str, number: int) -> Feature:
    if len(fields) < 9 or not all(map(_DIGITS.fullmatch, fields[3:5])):
        raise InputError("is not GTF or GFF3", where=where, fix=_FIX, kind="not-gff")
    start, end = int(fields[3]) - 1, int(fields[4])
    if not 0 <= start < end:
        fix = "The start, from 1, must not be above the end."
        raise InputError(f"is empty: {fields[3]} to {fields[4]}", where=where, fix=fix, kind="gff-empty-feature")
    if fields[6] not in ("+", "-", ".", "?"):
        fix = "Column 7 is '+', '-' or '.'."
        raise InputError(f"strand {shown(fields[6])} is none", where=where, fix=fix, kind="gff-strand")
    values = _attributes(fields[8])
    transcript = values.get("transcript_id") or values.get("Parent") or values.get("ID") or ""
    names = ("locus_tag", "gene", "gene_name", "Name", "gene_id")
    gene = next((values[name] for name in names if values.get(name)), transcript)
    return Feature(
        contig=unquote(fields[0]), start=start, end=end, kind=fields[2], strand="-" if fields[6] == "-" else "+",
        parent=transcript or values.get("gene_id", ""), gene=gene, line=number,
    )  # fmt: skip


def _attributes(text: str) -> dict[str, str]:
    """`key=value;` of GFF3, or `key "value";` of GTF."""
    if re.match(r"\s*[^\s\"=;]+=", text):
        pairs = (item.partition("=") for item in text.split(";"))
        return {key.strip(): unquote(value.strip()) for key, _, value in pairs if key.strip()}
    return {key: value.strip().strip('"') for key, value in _GTF.findall(text)}


def contigs_of(fasta: Path, features: Iterable[Feature], path: Path) -> tuple[dict[str, Ids], int]:
    """The contigs that features lie on, by the annotation's names, and how many features lie on others.

    Errors: `InputError` where all do, and for a feature beyond the end of its contig.
    """
    features = list(features)
    contigs = load_contigs(fasta, dict.fromkeys(one.contig for one in features))
    if not contigs:
        problem = f"none of its contigs is in {fasta.name}: {', '.join(sorted({one.contig for one in features})[:5])}"
        fix = "Give the annotation of this genome, with the same names of contigs."
        raise InputError(problem, where=path, fix=fix, kind="annotation-foreign")
    for one in features:
        _check_end(one, contigs, path)
    return contigs, sum(one.contig not in contigs for one in features)


def _check_end(one: Feature, contigs: Mapping[str, Ids], path: Path) -> None:
    if one.contig in contigs and one.end > len(contigs[one.contig]):
        problem = f"ends at {one.end:,}, {one.contig} has {len(contigs[one.contig]):,} bases"
        fix = "Give the annotation of this genome."
        raise InputError(problem, where=f"{path}, line {one.line}", fix=fix, kind="annotation-beyond-contig")
