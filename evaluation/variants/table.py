"""The table of effects, one line per allele."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from evaluation.variants import calibration, distances
from evaluation.variants.alleles import Allele
from evaluation.variants.calibration import Calibration
from evaluation.variants.effects import Effect

COLUMNS = ("contig", "position", "id", "ref", "alt", "status", "delta", "delta_mean",
           "forward", "forward_targets", "reverse", "reverse_targets")  # fmt: skip


DISTANCES = distances.FIELDS  # further columns, on request
CALIBRATION = tuple(f"null_{name}" for name in calibration.FIELDS)


def columns(*, with_distances: bool, calibrated: bool) -> tuple[str, ...]:
    """The columns of the table."""
    return (*COLUMNS, *(DISTANCES if with_distances else ()), *(CALIBRATION if calibrated else ()))


def values(
    effect: Effect | None, among: Calibration | None, *, with_distances: bool, calibrated: bool
) -> tuple[float | int | None, ...]:
    """The columns from `delta` on; None where there is nothing."""
    read = (None, None) if effect is None else (effect.forward, effect.reverse)
    strands = ((None, None) if one is None else (one.delta, one.targets) for one in read)
    totals = (None, None) if effect is None else (effect.delta, effect.mean)
    found: list[float | int | None] = [*totals, *chain.from_iterable(strands)]
    if with_distances:
        found += [getattr(effect and effect.shift, name, None) for name in DISTANCES]
    if calibrated:
        found += [getattr(among, name, None) for name in calibration.FIELDS]
    return tuple(found)


def table_lines(
    alleles: Sequence[Allele],
    effects: Iterable[Effect | None],
    calibrations: Sequence[Calibration | None] = (),
    *,
    with_distances: bool = False,
) -> Iterator[str]:
    """The lines of the TSV, the header first; positions from 1, as in VCF; nats."""
    asked = {"with_distances": with_distances, "calibrated": bool(calibrations)}
    yield "\t".join(columns(**asked)) + "\n"
    for allele, effect, among in zip(alleles, effects, calibrations or [None] * len(alleles), strict=True):
        record = allele.record
        place = (record.contig, str(record.position + 1), record.id, record.ref, allele.alt_text, allele.status)
        yield "\t".join((*place, *map(_shown, values(effect, among, **asked)))) + "\n"


def _shown(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.7g}"
