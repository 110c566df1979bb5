"""What is scored of alleles: haplotypes, with what each costs, so that shards get equal work."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluation.likelihood.scoring import STRANDS
from evaluation.sharding.job import unit_tokens
from evaluation.variants.alleles import Allele
from evaluation.variants.windows import Placement

UNIT_WINDOWS = 128
"""Of a unit, where its haplotypes share none."""


@dataclass(frozen=True, kw_only=True)
class Haplotype:
    """A sequence that alleles make, by one of them; `tokens`: what the model reads for it, about."""

    allele: Allele
    tokens: int


def haplotypes(alleles: Sequence[Allele], placement: Placement, strand: str) -> Iterator[Haplotype]:
    """Each of `alleles`; the first of a window pays for what those of the window share."""
    before = None
    for allele in alleles:
        window = (allele.record.contig, (allele.position + placement.downstream) // placement.grid)
        shared = window == before
        before = window
        tokens = placement.downstream + (0 if shared else placement.length)
        yield Haplotype(allele=allele, tokens=tokens * len(STRANDS[strand]))


def tokens_of_unit(placement: Placement) -> int:
    """Tokens of a unit of haplotypes."""
    return max(unit_tokens(placement.length), UNIT_WINDOWS * placement.length)
