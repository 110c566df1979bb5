"""The mutants of a region: every single base replaced by each other one; deletions and tiles where wanted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evaluation.likelihood.regions import Region
from evaluation.variants.alleles import SCORED, Allele, list_alleles
from evaluation.variants.vcf import Vcf, VcfRecord
from foundation.errors import InputError
from tokenizer.sequence import Ids, is_unambiguous, to_upper

BASES = "ACGT"
SNV, DELETION, TILE = "snv", "deletion", "tile"
TRANSVERSIONS = str.maketrans("ACGT", "CATG")
"""What a tile's bases become: A and C change places, and G and T, as in linker scanning, so that none stays."""


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """Mutants in addition to all SNVs: lengths of deletions at each position, and of tiles."""

    deletions: tuple[int, ...] = ()
    tile: int | None = None

    def __post_init__(self) -> None:
        for name, sizes in (("deletion", self.deletions), ("tile", () if self.tile is None else (self.tile,))):
            for size in sizes:
                if size < 1:
                    raise InputError(f"a {name} of {size} bases is not one", fix="Give 1 or more.", kind=name)

    def check_fit(self, regions: Sequence[Region], contigs: Mapping[str, Ids]) -> None:
        """Errors: `InputError` for a deletion or a tile that fits no region; one base of a contig has to stay."""
        tiles = [len(region.ids) for region in regions]
        deletions = [min(size, len(contigs[one.contig]) - 1) for size, one in zip(tiles, regions, strict=True)]
        _check_sizes("deletion", self.deletions, max(deletions, default=0))
        _check_sizes("tile", () if self.tile is None else (self.tile,), max(tiles, default=0))


def _check_sizes(name: str, sizes: Sequence[int], longest: int) -> None:
    for size in sizes:
        if size > longest:
            problem = f"a {name} of {size:,} bases fits none of the regions: {longest:,} is the most"
            fix = f"Give {longest:,} or less." if longest else "Leave it out."
            raise InputError(problem, fix=fix, kind=f"{name}-too-long")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of the bases [start, end) of its contig, as it was asked for; `allele` has it in VCF's normal form."""

    kind: str
    start: int
    end: int
    alt: str
    allele: Allele


def list_mutants(region: Region, contig: Ids, kinds: Kinds) -> list[Mutant]:
    """The mutants of `region` of `contig`, by position; those that touch N or another code are left out."""
    text = to_upper(contig).tobytes().decode("latin-1")
    whole = is_unambiguous(contig)
    changes = [change for change in _changes(region, text, kinds) if whole[change[1] : change[2]].all()]
    records = [_record(region.contig, text, *change[1:]) for change in changes]
    alleles = list_alleles(Vcf(header=(), records=tuple(records)), {region.contig: contig}, region.contig)
    return [
        Mutant(kind=kind, start=start, end=end, alt=alt, allele=allele)
        for (kind, start, end, alt), allele in zip(changes, alleles, strict=True)
        if allele.status == SCORED
    ]


def _changes(region: Region, text: str, kinds: Kinds) -> Iterator[tuple[str, int, int, str]]:
    """Kind, start, end and the new bases."""
    first, last = region.start, region.start + len(region.ids)
    for position in range(first, last):
        yield from ((SNV, position, position + 1, base) for base in BASES if base != text[position])
    for size in kinds.deletions:
        yield from ((DELETION, start, start + size, "") for start in range(first, last - size + 1))
    if kinds.tile:
        for start in range(first, last, kinds.tile):
            end = min(start + kinds.tile, last)
            yield TILE, start, end, text[start:end].translate(TRANSVERSIONS)


def _record(contig: str, text: str, start: int, end: int, alt: str) -> VcfRecord:
    """As VCF writes it: a deletion with the base before it, or the one after it where that is none of A, C, G and T."""
    ref, before = text[start:end], text[max(0, start - 1) : start]
    if not alt and before and before in BASES:
        start, ref, alt = start - 1, before + ref, before
    elif not alt:
        ref, alt = ref + text[end : end + 1], text[end : end + 1]
    return VcfRecord(line=0, contig=contig, position=start, id=".", ref=ref, alts=(alt,), fields=())
