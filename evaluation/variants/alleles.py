"""The alternative alleles of a VCF, one by one, each checked against the genome."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from evaluation.rna import AsDna
from evaluation.variants.normal_form import normal_form
from evaluation.variants.vcf import Vcf, VcfRecord, is_sequence
from tokenizer.sequence import Ids, encode, first_bases, to_upper

SCORED, MISMATCH, NO_CONTIG, UNSUPPORTED = "scored", "ref_mismatch", "no_contig", "unsupported"
AMBIGUOUS, OUTSIDE = "ambiguous_ref", "outside_contig"
NO_CONTEXT = "no_context"  # known once the windows are laid

MEANINGS = {
    SCORED: "scored",
    MISMATCH: "REF is not what the FASTA file has there",
    AMBIGUOUS: "the FASTA file has an IUPAC code there, for which VCF has the first of its bases",
    NO_CONTIG: "the contig is not in the FASTA file",
    OUTSIDE: "the contig in the FASTA file does not have this position",
    UNSUPPORTED: "an allele that is not a sequence of A, C, G and T",
    NO_CONTEXT: "the window has no base to compare on any strand that was read",
}

MISPLACED = (MISMATCH, OUTSIDE)
"""What a VCF file of another genome has; each of the first few gets a line."""
_SHOWN = 20  # bases of an allele in a message
_SHOWN_MISPLACED = 3


@dataclass(frozen=True, kw_only=True)
class Allele:
    """Alternative allele `number` of a record; `status` is one of the above.

    `position` (from 0), `ref` and `alt` (upper-case ids) are the normal form where it can be scored: two of the same
    sequence are equal in them.
    """

    record: VcfRecord
    number: int = 0
    alt_text: str
    position: int
    ref: Ids
    alt: Ids
    status: str


def list_alleles(vcf: Vcf, contigs: Mapping[str, Ids], source: object) -> list[Allele]:
    """Every allele of `vcf`, read from `source`, in order, with the status that its record has against `contigs`."""
    as_dna = AsDna(source)
    return [
        _allele(record, number, contigs.get(record.contig), as_dna)
        for record in vcf.records
        for number in range(len(record.alts))
    ]


def distinct(alleles: Sequence[Allele]) -> tuple[list[Allele], list[int]]:
    """One allele of each haplotype, in order, and for each of `alleles` the place of its own among them."""
    places: dict[tuple[str, int, bytes, bytes], int] = {}
    first: list[Allele] = []
    which = []
    for allele in alleles:
        key = (allele.record.contig, allele.position, allele.ref.tobytes(), allele.alt.tobytes())
        if key not in places:
            places[key] = len(first)
            first.append(allele)
        which.append(places[key])
    return first, which


def describe_misplaced(alleles: Sequence[Allele], contigs: Mapping[str, Ids]) -> tuple[str, ...]:
    """A line for each of the first `MISPLACED` alleles: REF beside what the contig has there, or its length."""
    wrong = (allele for allele in alleles if allele.status in MISPLACED)
    return tuple(_describe(one, contigs[one.record.contig]) for one in islice(wrong, _SHOWN_MISPLACED))


def _describe(allele: Allele, contig: Ids) -> str:
    record = allele.record
    place = f"line {record.line}: {record.contig}:{record.position + 1}"
    end = record.position + len(allele.ref)
    if allele.status == OUTSIDE:
        side = "before the contig's first base" if record.position < 0 else f"beyond the contig's end ({len(contig):,})"
        return f"{place} REF is {_short(record.ref)}, {side}"
    here = to_upper(contig[record.position : end]).tobytes().decode("latin-1")
    return f"{place} REF is {_short(record.ref)}, the FASTA has {_short(here)}"


def _short(bases: str) -> str:
    return bases if len(bases) <= _SHOWN else f"{bases[:_SHOWN]}... ({len(bases):,} bases)"


def count_statuses(alleles: list[Allele]) -> Counter[str]:
    """How many alleles have each status."""
    return Counter(allele.status for allele in alleles)


def describe_unscored(statuses: Mapping[str, int]) -> list[str]:
    """How many were not scored, one line per reason."""
    return [
        f"{count:,} not scored: {MEANINGS.get(status, status)}"
        for status, count in statuses.items()
        if status != SCORED
    ]


def _allele(record: VcfRecord, number: int, contig: Ids | None, as_dna: AsDna) -> Allele:
    position, texts = record.position, (record.ref, record.alts[number])
    ref, alt = (to_upper(encode(text.encode("utf-8", "replace"))) for text in texts)
    if contig is None:
        status = NO_CONTIG
    elif not 0 <= position < len(contig):
        status = OUTSIDE
    elif not all(map(is_sequence, texts)):
        status = UNSUPPORTED
    else:
        ref, alt = (as_dna(ids, f"line {record.line}") for ids in (ref, alt))
        status = _compare(position, ref, contig)
        if status == SCORED:
            position, ref, alt = normal_form(position, ref, alt, contig)
    return Allele(
        record=record, number=number, alt_text=texts[1], position=position, ref=ref, alt=alt, status=status
    )  # fmt: skip


def _compare(position: int, ref: Ids, contig: Ids) -> str:
    """The status that REF has beside the bases of the contig."""
    if position + len(ref) > len(contig):
        return OUTSIDE
    here = to_upper(contig[position : position + len(ref)])
    if here.tobytes() == ref.tobytes():
        return SCORED
    return AMBIGUOUS if first_bases(here).tobytes() == ref.tobytes() else MISMATCH
