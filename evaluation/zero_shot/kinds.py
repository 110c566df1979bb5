"""The kinds of tasks: one table that says what a kind's protocol may hold, which layouts it reads, and what runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from evaluation.zero_shot import fitness, likelihood, probes, variants
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.result import Found
from evaluation.zero_shot.sequence import classes, essentiality, needle, perturbation, recovery, spectrum
from evaluation.zero_shot.spec import TaskSpec
from foundation.errors import InputError, nearest
from foundation.typed import from_settings


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`protocol`: a dataclass with a default for each field; `run`: the task's function, given an instance of it.

    `coordinates`: whether its data are places in a genome, which the task then names. `files`: how many a layout
    reads, where that is fixed.
    """

    protocol: type
    layouts: tuple[str, ...]
    statistics: tuple[str, ...]
    run: Callable[[Context, Any], Found]
    coordinates: bool = False
    files: Mapping[str, int] = field(default_factory=dict)


KINDS: dict[str, Kind] = {
    "fitness": Kind(protocol=fitness.Protocol, layouts=fitness.LAYOUTS, statistics=fitness.STATISTICS, run=fitness.run),
    "probe": Kind(protocol=probes.Protocol, layouts=probes.LAYOUTS, statistics=probes.STATISTICS, run=probes.run),
    "likelihood": Kind(
        protocol=likelihood.Protocol,
        layouts=likelihood.LAYOUTS,
        statistics=likelihood.STATISTICS,
        run=likelihood.run,
    ),
    "annotation-classes": Kind(
        protocol=classes.Protocol,
        layouts=classes.LAYOUTS,
        statistics=classes.STATISTICS,
        run=classes.run,
        files={"gff": 2, "bed": 2},
    ),
    "perturbation": Kind(
        protocol=perturbation.Protocol,
        layouts=perturbation.LAYOUTS,
        statistics=perturbation.STATISTICS,
        run=perturbation.run,
        files={"gff": 2, "orfs": 1},
    ),
    "essentiality": Kind(
        protocol=essentiality.Protocol,
        layouts=essentiality.LAYOUTS,
        statistics=essentiality.STATISTICS,
        run=essentiality.run,
        files={"table": 3, "deg": 3},
    ),
    "recovery": Kind(
        protocol=recovery.Protocol,
        layouts=recovery.LAYOUTS,
        statistics=recovery.STATISTICS,
        run=recovery.run,
        files={"gff": 2, "orfs": 1},
    ),
    "genome-needle": Kind(
        protocol=needle.Protocol,
        layouts=needle.LAYOUTS,
        statistics=needle.STATISTICS,
        run=needle.run,
        files={"fasta": 1},
    ),
    "spectrum": Kind(
        protocol=spectrum.Protocol,
        layouts=spectrum.LAYOUTS,
        statistics=spectrum.STATISTICS,
        run=spectrum.run,
        files={"fasta": 1, "gff": 2, "orfs": 1},
    ),
    "variants": Kind(
        protocol=variants.Protocol,
        layouts=variants.LAYOUTS,
        statistics=variants.STATISTICS,
        run=variants.run,
        coordinates=True,
        files=dict.fromkeys(variants.LAYOUTS, 1),
    ),
}
"""Register a kind here; a task of it is a YAML file in configs/evaluation/tasks."""


_LEAST = {"window": 2, "upstream": 0, "seed": 0, "layer": None}
"""The least value of a whole number of a protocol, None: any. That of the others is 1: they count bases or genes."""


def check_task(spec: TaskSpec) -> Any:
    """The protocol of `spec`, of its kind's type. Errors: `InputError` for keys that the kind does not have."""
    where = spec.source or f"task {spec.name}"
    kind = KINDS[_known("kind", spec.kind, tuple(KINDS), where)]
    _known("layout", spec.layout, kind.layouts, where)
    for statistic in spec.statistics:
        _known("statistic", statistic, kind.statistics, where)
    if kind.coordinates and spec.genome is None:
        raise InputError("names no genome", where=where, fix="Add `genome`.", kind="task-without-genome")
    _count(spec, kind, where)
    protocol: Any = from_settings(kind.protocol, spec.protocol, f"{where}, protocol")
    _check_numbers(protocol, f"{where}, protocol")
    return protocol


def _check_numbers(protocol: Any, where: str) -> None:
    """Errors: `InputError` for a whole number that is too small."""
    for field_ in fields(protocol):
        value, least = getattr(protocol, field_.name), _LEAST.get(field_.name, 1)
        for number in value if isinstance(value, tuple) else (value,):
            if least is not None and type(number) is int and number < least:
                fix = f"Give {least} or more."
                raise InputError(f"{field_.name} is {number}", where=where, fix=fix, kind="protocol-number")


def _count(spec: TaskSpec, kind: Kind, where: object) -> None:
    own, needed = len(spec.files) - (spec.genome is not None), kind.files.get(spec.layout)
    if not own or (needed is not None and own != needed):
        problem = f"names {own:,} files, and the layout {spec.layout} reads {needed or 'one or more'}"
        fix = "docs/evaluation.md has the files of each layout, in their order."
        raise InputError(problem, where=where, fix=fix, kind="task-files")


def run_task(context: Context) -> Found:
    """The result of the task of `context`."""
    return KINDS[context.spec.kind].run(context, check_task(context.spec))


def _known(what: str, name: str, known: tuple[str, ...], where: object) -> str:
    if name not in known:
        raise InputError(f"no {what} {name!r}", where=where, fix=nearest(name, known), kind=f"unknown-{what}")
    return name
