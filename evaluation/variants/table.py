"""The table of effects, one line per allele."""

from collections.abc import Iterable, Iterator
from itertools import chain

from evaluation.variants.alleles import Allele
from evaluation.variants.distances import FIELDS
from evaluation.variants.effects import Effect

COLUMNS = ("contig", "position", "id", "ref", "alt", "status", "delta", "delta_mean",
           "forward", "forward_targets", "reverse", "reverse_targets")  # fmt: skip


DISTANCES = FIELDS  # further columns, on request


def columns(distances: bool) -> tuple[str, ...]:
    """The columns of the table."""
    return (*COLUMNS, *DISTANCES) if distances else COLUMNS


def values(effect: Effect | None, distances: bool) -> tuple[float | int | None, ...]:
    """The columns from `delta` on; None where there is nothing."""
    if effect is None:
        return (None,) * (len(columns(distances)) - COLUMNS.index("delta"))
    strands = ((None, None) if one is None else (one.delta, one.targets) for one in (effect.forward, effect.reverse))
    shift = effect.shift
    shifts = tuple(None if shift is None else getattr(shift, name) for name in DISTANCES) if distances else ()
    return (effect.delta, effect.mean, *chain.from_iterable(strands), *shifts)


def table_lines(
    alleles: Iterable[Allele], effects: Iterable[Effect | None], *, distances: bool = False
) -> Iterator[str]:
    """The lines of the TSV, the header first; positions from 1, as in VCF; nats."""
    yield "\t".join(columns(distances)) + "\n"
    for allele, effect in zip(alleles, effects, strict=True):
        record = allele.record
        place = (record.contig, str(record.position + 1), record.id, record.ref, allele.alt_text, allele.status)
        yield "\t".join((*place, *map(_shown, values(effect, distances)))) + "\n"


def _shown(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.7g}"
