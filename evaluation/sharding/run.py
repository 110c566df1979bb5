"""A request carried out in this process: whole, one shard of it, or from the parts of all shards."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar

from evaluation.sharding.job import Compute, Item, Job, Progress, Request, Results, Units
from evaluation.sharding.merge import check_inputs, gather, merged
from evaluation.sharding.part import PartWriter, open_part
from evaluation.sharding.shard import Shard, share
from foundation.progress import Advance, progress_bar
from foundation.typed import to_json

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Timed(Generic[Result]):
    """A result, and the `seconds` in which it was computed and written."""

    result: Result
    seconds: float
    files: Sequence[Path]


def run_whole(request: Request, *, device: str | None = None) -> Timed[Any]:
    """Compute and write all of `request`; one that keeps a journal resumes where it was interrupted.

    The model is loaded when the first unit is read, so that an input without one is refused before that.
    """
    job, journal = request.open(), request.journal
    header = {**header_of(request), "shard": [1, 1]} if journal else {}
    units = job.units()
    if (first := next(units, None)) is None:
        return finish(request, job, (), time.perf_counter())
    compute, started = job.load(device), time.perf_counter()
    with shown(job.progress) as advance, open_part(journal, header) if journal else nullcontext() as part:
        return finish(request, job, resumed(job, chain([first], units), compute, part, advance), started)


def run_shard(request: Request, shard: Shard, *, device: str | None = None, overwrite: bool = False) -> Path:
    """Compute one shard of `request`; its part. A shard that was interrupted resumes; a finished one is left as it is.

    Errors: `InputError` for a part of another run, and for one that another process writes.
    """
    path, job = shard.part(request.out), request.open()
    if overwrite:
        path.unlink(missing_ok=True)
    header, known = header_of(request), job.progress
    with shown(Progress(description=f"{known.description}, shard {shard}", unit=known.unit)) as advance:
        compute_shard(job, shard, path, header, lambda: job.load(device), advance)
    return path


def run_merge(request: Request, paths: Sequence[Path]) -> Timed[Any]:
    """Write the result of `request` from the parts of its shards. Errors: `InputError` for parts that do not fit."""
    started, parts = time.perf_counter(), gather(paths)
    check_inputs(parts, header_of(request))
    job = request.open()
    return finish(request, job, merged(job, parts), started)


def header_of(request: Request) -> dict[str, Any]:
    """What the parts of all shards of a request say of it."""
    return {
        "request": to_json(request),
        "folder": os.getcwd(),
        "batch_size": request.batch_size,
        "made_from": request.made().made_from,
    }


def compute_shard(
    job: Job[Any, Any],
    shard: Shard,
    path: Path,
    header: Mapping[str, Any],
    load: Callable[[], Compute[Any]],
    advance: Advance,
) -> None:
    """Compute the units of `shard` that its part at `path` lacks; the model is loaded where there are any."""
    with open_part(path, {**header, "shard": [shard.number, shard.count]}) as part:
        if part.finished:
            return
        compute, number = None, -1
        for number, unit, mine in share(job, shard):
            if not mine:
                continue
            if number in part.done:
                advance(sum(map(job.amount, unit)))
            else:
                compute = compute or load()
                part.add(number, compute(unit, advance))
        part.end(number + 1)


def finish(request: Request, job: Job[Any, Any], results: Results[Any], started: float) -> Timed[Any]:
    """Write the outputs, and a receipt for them; the result of what was `started` then."""
    result, files = job.finish(results)
    request.made().finish(files)
    if request.journal:
        request.journal.unlink(missing_ok=True)
    return Timed(result=result, seconds=time.perf_counter() - started, files=files)


def shown(progress: Progress) -> AbstractContextManager[Advance]:
    """The bar of `progress`."""
    return progress_bar(progress.description, total=progress.total, unit=progress.unit)


def resumed(
    job: Units[Item], units: Iterable[list[Item]], compute: Compute[Item], part: PartWriter | None, advance: Advance
) -> Results[Item]:
    """All `units` of `job`: those that `part` has, and the others computed, and added to it."""
    for number, unit in enumerate(units):
        if part is not None and number in part.done:
            payload = part.payload(number)
            advance(sum(map(job.amount, unit)))
        else:
            payload = compute(unit, advance)
            if part is not None:
                part.add(number, payload)
        yield unit, payload
