"""The table of effects, a line an allele; while a run lasts, under another name, so that the run can be resumed."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from evaluation.variants import calibration, distances
from evaluation.variants.alleles import Allele
from evaluation.variants.calibration import Calibration
from evaluation.variants.distances import Shift
from evaluation.variants.effects import Effect, StrandEffect
from foundation.atomic import atomic_file
from foundation.errors import InputError

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
    found: list[float | int | None] = [effect and effect.delta, effect and effect.mean, *chain.from_iterable(strands)]
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


class Journal:
    """What has been scored so far: after one line about the run, a JSON line for those that were scored together.

    A line that was cut off is left out whole, so that what it held is scored again in the same company: the numbers
    are those of a run that was not interrupted.
    """

    def __init__(self, path: Path, run: Mapping[str, object]) -> None:
        self._path, self._run = path, json.dumps(run, sort_keys=True)

    def read(self) -> list[Effect | None]:
        """The effects of an interrupted run of the same kind. Errors: `InputError` where it is of another run."""
        if not self._path.exists():
            return []
        first, *lines = self._path.read_text("utf-8").split("\n")
        if first != self._run:
            problem = "holds a run of another model, genome, VCF file or setting, which was interrupted"
            raise InputError(
                problem,
                where=self._path,
                fix="Give what that run was given, or remove the file.",
                kind="journal-of-another-run",
            )
        return [_from_json(one) for line in lines[:-1] for one in json.loads(line)]

    @contextmanager
    def append(self, done: list[Effect | None]) -> "Iterator[Journal]":
        """Open for more effects, after those that `read` gave."""
        with atomic_file(self._path) as temporary:
            temporary.write_text(f"{self._run}\n{_line(done)}", "utf-8")
        with open(self._path, "a", encoding="utf-8") as self._file:
            yield self

    def add(self, effects: list[Effect | None]) -> None:
        """Write, and have it on disk."""
        self._file.write(_line(effects))
        self._file.flush()
        os.fsync(self._file.fileno())


def _line(effects: list[Effect | None]) -> str:
    return json.dumps([_to_json(effect) for effect in effects]) + "\n"


def _to_json(effect: Effect | None) -> list[list[float] | None]:
    strands = () if effect is None else (effect.forward, effect.reverse)
    return [None if one is None else [one.delta, one.targets, *_shift(one)] for one in strands]


def _shift(one: StrandEffect) -> list[float]:
    return [] if one.shift is None else [getattr(one.shift, name) for name in distances.FIELDS]


def _from_json(one: list[list[float] | None]) -> Effect | None:
    strands = [None if part is None else _strand(*part) for part in one]
    return Effect(forward=strands[0], reverse=strands[1]) if strands else None


def _strand(delta: float, targets: float, *shift: float) -> StrandEffect:
    found = Shift(**dict(zip(distances.FIELDS, shift, strict=True))) if shift else None
    return StrandEffect(delta=delta, targets=int(targets), shift=found)
