"""The kinds of tasks: one table that says what a kind's protocol may hold, which layouts it reads, and what runs it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from types import ModuleType
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

    `layouts`: how many files each reads, the genome aside; None: one or more. `coordinates`: whether its data are
    places in a genome, which the task then names.
    """

    protocol: type
    layouts: Mapping[str, int | None]
    statistics: tuple[str, ...]
    run: Callable[[Context, Any], Found]
    coordinates: bool


def _kind(module: ModuleType, *, coordinates: bool = False) -> Kind:
    return Kind(
        protocol=module.Protocol, layouts=module.LAYOUTS, statistics=module.STATISTICS, run=module.run,
        coordinates=coordinates,
    )  # fmt: skip


KINDS = {
    "fitness": _kind(fitness),
    "probe": _kind(probes),
    "likelihood": _kind(likelihood),
    "annotation-classes": _kind(classes),
    "perturbation": _kind(perturbation),
    "essentiality": _kind(essentiality),
    "recovery": _kind(recovery),
    "genome-needle": _kind(needle),
    "spectrum": _kind(spectrum),
    "variants": _kind(variants, coordinates=True),
}
"""Register a kind here; a task of it is a YAML file in configs/evaluation/tasks."""


_LEAST = {"window": 2, "upstream": 0, "seed": 0, "layer": None}
"""The least value of a whole number of a protocol, None: any. That of the others is 1: they count bases or genes."""


def check_task(spec: TaskSpec) -> Any:
    """The protocol of `spec`, of its kind's type. Errors: `InputError` for keys that the kind does not have."""
    where = spec.source or f"task {spec.name}"
    kind = KINDS[_known("kind", spec.kind, KINDS, where)]
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
    own, needed = len(spec.files) - (spec.genome is not None), kind.layouts[spec.layout]
    if not own or (needed is not None and own != needed):
        problem = f"names {own:,} files, and the layout {spec.layout} reads {needed or 'one or more'}"
        fix = "docs/evaluation.md has the files of each layout, in their order."
        raise InputError(problem, where=where, fix=fix, kind="task-files")


def run_task(context: Context) -> Found:
    """The result of the task of `context`."""
    return KINDS[context.spec.kind].run(context, check_task(context.spec))


def _known(what: str, name: str, known: Collection[str], where: object) -> str:
    if name not in known:
        raise InputError(f"no {what} {name!r}", where=where, fix=nearest(name, known), kind=f"unknown-{what}")
    return name
