"""What is predicted: the records of a FASTA file or a table, the regions of a BED file, the two alleles of variants."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from corpus.streams.compression import check_opens
from evaluation.labelled.examples import Cut, read_ids
from evaluation.labelled.readers import DELIMITERS, Columns, read_entries
from evaluation.likelihood.bed import check_bed
from evaluation.likelihood.regions import Region, load_contigs, oriented, read_regions
from evaluation.rna import AsDna
from evaluation.variants.alleles import (
    SCORED,
    Allele,
    count_statuses,
    describe_misplaced,
    describe_unscored,
    list_alleles,
)
from evaluation.variants.vcf import read_vcf
from foundation.errors import InputError
from foundation.spelling import option
from foundation.terminal import warn
from tokenizer.sequence import Ids, to_upper

VCF = (".vcf", ".vcf.gz", ".vcf.bgz")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One sequence to predict, upper case. `columns`: what its row says of it; `length`: before it was cut.

    `region`: where it is, of a record of FASTA or a region of BED.
    """

    ids: Ids
    where: str
    length: int
    columns: dict[str, str | int] = field(default_factory=dict)
    region: Region | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file to predict. `genome`: FASTA, for regions and variants; `sequence`: the column of a table; `window`: bases
    around a variant."""

    path: Path
    genome: Path | None = None
    sequence: str = "sequence"
    window: int = 0

    @property
    def kind(self) -> str:
        """`table`, `bed`, `vcf` or `fasta`, by its name."""
        name = self.path.name.lower()
        if name.endswith(VCF):
            return "vcf"
        stem = name.removesuffix(".gz").removesuffix(".zst")
        if stem.endswith(".bed"):
            return "bed"
        return "table" if stem.endswith((*DELIMITERS, ".parquet")) else "fasta"


def cut_to(longest: int, side: str) -> Cut:
    """What becomes of a record of more bases than the model's `longest`."""
    return Cut(longest=longest, side=side, fix=f"Shorten it, or cut off an end: {option('truncate', 'left')} or right.")


def check_source(source: Source) -> None:
    """Before any work. Errors: `InputError` for a file that is not there, or lacks its genome."""
    for path in (source.path, source.genome):
        if path is not None and not path.is_file():
            raise InputError("no such file", where=path, fix="Check the path.", kind="missing-file")
    check_opens(*(path for path in (source.path, source.genome) if path is not None))
    needs_genome = source.kind in ("bed", "vcf")
    if needs_genome != (source.genome is not None):
        genome = option("genome")
        fix = f"Add {genome} FASTA." if needs_genome else f"Leave {genome} out: it is for BED and VCF files."
        problem = "needs a genome" if needs_genome else "already contains sequences"
        raise InputError(problem, where=source.path, fix=fix, kind="genome-option")
    if source.kind == "bed":
        check_bed(source.path)


def read_records(source: Source, cut: Cut) -> Iterator[Record]:
    """The records of `source` in order; of a variant the reference first, then the alternative.

    Errors: `InputError` for what is not DNA, is empty, or is longer than the context and not to be cut.
    """
    if source.kind == "table":
        yield from _table(source, cut)
    elif source.kind == "vcf":
        yield from _variants(source)
    else:
        genome = source.genome
        regions = read_regions(source.path) if genome is None else read_regions(genome, bed=source.path)
        for region in regions:
            yield region_record(region, cut, with_place=genome is not None)


def _table(source: Source, cut: Cut) -> Iterator[Record]:
    as_dna = AsDna(source.path)
    entries = read_entries(source.path, Columns(sequence=source.sequence, values=()))
    for number, entry in enumerate(entries, start=1):
        whole = read_ids(entry.sequence, entry.where, as_dna)
        yield Record(ids=cut(whole, entry.where), where=entry.where, length=len(whole), columns={"name": number})


def region_record(region: Region, cut: Cut, *, with_place: bool = False) -> Record:
    """The record of a region; `with_place`: where it is on its contig is among its columns.

    Errors: `InputError` for one that is empty, too long or not DNA, and for a tag, which no head is trained with.
    """
    where = f"record {region.name!r}"
    if len(region.tag):
        raise InputError(
            "has a tag, which heads do not read", where=where, fix="Take the tag out.", kind="tag-not-read"
        )
    ids, _ = oriented(region, reverse=False)
    if not len(ids):
        raise InputError("has an empty sequence", where=where, fix="Leave it out.", kind="empty-sequence")
    columns: dict[str, str | int] = {"name": region.name}
    if with_place:
        columns |= {
            "contig": region.contig,
            "start": region.start,
            "end": region.start + len(region.ids),
            "strand": region.strand,
        }
    return Record(ids=cut(ids, where), where=where, length=len(ids), columns=columns, region=region)


def _variants(source: Source) -> Iterator[Record]:
    """Two records per allele that can be placed; the others are counted in a warning."""
    assert source.genome is not None
    vcf = read_vcf(source.path)
    contigs = load_contigs(source.genome, {record.contig for record in vcf.records})
    alleles = list_alleles(vcf, contigs, source.path)
    for line in describe_unscored(count_statuses(alleles)):
        warn(f"{source.path}: {line}")
    for line in describe_misplaced(alleles, contigs):
        warn(f"{source.path}, {line}")
    for allele in alleles:
        if allele.status == SCORED:
            yield from _haplotypes(allele, contigs[allele.record.contig], source)


def _haplotypes(allele: Allele, contig: Ids, source: Source) -> Iterator[Record]:
    """`window` bases around an allele, with the reference's bases, and with its own; or all that the contig has."""
    record, window = allele.record, source.window
    centre = allele.position + len(allele.ref) // 2
    start = max(0, min(centre - window // 2, len(contig) - window))
    before = to_upper(contig[start : allele.position])
    after = to_upper(contig[allele.position + len(allele.ref) : start + 2 * window])
    columns: dict[str, str | int] = {
        "contig": record.contig,
        "position": record.position + 1,
        "id": record.id,
        "ref": record.ref,
        "alt": allele.alt_text,
    }
    for bases in (allele.ref, allele.alt):
        ids = np.concatenate([before, bases, after])[:window]
        yield Record(ids=ids, where=f"{source.path}, line {record.line}", length=len(ids), columns=columns)
