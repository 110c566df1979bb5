"""The parts of all shards, checked against one another and against the inputs, and read as one."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.sharding.job import Item, Job, Results
from evaluation.sharding.part import Header, Part, difference, read_part
from evaluation.sharding.shard import Shard
from foundation.errors import InputError

_SHOWN = 5


def gather(paths: Sequence[Path]) -> list[Part]:
    """The parts in the files `paths`, in the order of their shards.

    Errors: `InputError` for parts of different runs, one that is missing, unfinished or there twice, and for damage.
    """
    if not paths:
        raise InputError("no part is given", fix="Give the parts of all shards.", kind="part-missing")
    parts = sorted(map(read_part, paths), key=lambda part: int(part.header["shard"][0]))
    first = parts[0]
    for part in parts[1:]:
        if changed := difference(first.header, part.header):
            problem = f"belongs to another run than {first.path}: another {changed}"
            fix = "Merge parts of one run, with the same inputs, model and settings."
            raise InputError(problem, where=part.path, fix=fix, kind="parts-of-different-runs")
        if part.header["shard"][1] != first.header["shard"][1]:
            one, other = _shard(part.header), _shard(first.header)
            problem = f"is shard {one}, and {first.path} is shard {other}: they overlap"
            raise InputError(
                problem,
                where=part.path,
                fix="Merge parts with the same number of shards.",
                kind="parts-cut-differently",
            )
    _check_numbers(parts)
    _check_finished(parts)
    return parts


def check_inputs(parts: Sequence[Part], now: Header) -> None:
    """That the parts were computed from what the inputs are `now`. Errors: `InputError`."""
    if changed := difference(parts[0].header, now):
        problem = f"was computed from another {changed} than the present one"
        fix = "Put back what the shards were computed from, or compute them again."
        raise InputError(problem, where=parts[0].path, fix=fix, kind="parts-of-another-input")


def merged(job: Job[Item, object], parts: Sequence[Part]) -> Results[Item]:
    """Every unit of `job` with its payload. Errors: `InputError` for a unit that no part has, and for damage."""
    owners = {unit: part for part in parts for unit in part.places}
    number = -1
    for number, unit in enumerate(job.units()):
        if number not in owners:
            raise _other_units(parts[0])
        yield unit, owners[number].payload(number)
    if number + 1 != parts[0].units:
        raise _other_units(parts[0])


def _other_units(part: Part) -> InputError:
    fix = "Compute the shards again."
    return InputError("was cut into different units", where=part.path, fix=fix, kind="part-damaged")


def _shard(header: Header) -> Shard:
    return Shard(number=header["shard"][0], count=header["shard"][1])


def _check_numbers(parts: Sequence[Part]) -> None:
    places: dict[int, Path] = {}
    for part in parts:
        shard = _shard(part.header)
        if shard.number in places:
            problem = f"is shard {shard}, as {places[shard.number]} is"
            raise InputError(problem, where=part.path, fix="Leave one of them out.", kind="part-twice")
        places[shard.number] = part.path
    count = _shard(parts[0].header).count
    if missing := [str(number) for number in range(1, count + 1) if number not in places]:
        named = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else "")
        one = len(missing) == 1
        problem = f"{len(missing):,} of {count:,} shards {'is' if one else 'are'} missing: {named}"
        fix = "Compute it, and give its part too." if one else "Compute them, and give their parts too."
        raise InputError(problem, fix=fix, kind="part-missing")


def _check_finished(parts: Sequence[Part]) -> None:
    for part in parts:
        if part.units is None:
            fix = f"Give the command of shard {_shard(part.header)} again: it resumes."
            problem = f"is not finished: {len(part.places):,} units are there"
            raise InputError(problem, where=part.path, fix=fix, kind="part-unfinished")
