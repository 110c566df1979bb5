"""The table of effects, one line per allele."""

from collections.abc import Iterable, Iterator
from itertools import chain

from evaluation.variants.alleles import Allele
from evaluation.variants.effects import Effect

COLUMNS = ("contig", "position", "id", "ref", "alt", "status", "delta", "delta_mean",
           "forward", "forward_targets", "reverse", "reverse_targets")  # fmt: skip


def table_lines(alleles: Iterable[Allele], effects: Iterable[Effect | None]) -> Iterator[str]:
    """The lines of the TSV, the header first; positions from 1, as in VCF; nats."""
    yield "\t".join(COLUMNS) + "\n"
    for allele, effect in zip(alleles, effects, strict=True):
        record = allele.record
        place = (record.contig, str(record.position + 1), record.id, record.ref, allele.alt_text, allele.status)
        yield "\t".join((*place, *_numbers(effect))) + "\n"


def _numbers(effect: Effect | None) -> tuple[str, ...]:
    if effect is None:
        return ("",) * 6
    strands = (
        ("", "") if one is None else (f"{one.delta:.7g}", str(one.targets)) for one in (effect.forward, effect.reverse)
    )
    return (f"{effect.delta:.7g}", f"{effect.mean:.7g}", *chain.from_iterable(strands))
