"""All shards of a request, on processes, GPUs or machines at once, and merged.

The shards are kept in the hidden folder `.NAME.shards` beside the output until that is written, so the same command
resumes after a kill, with however many processes: also with the options that cut the work left out (`has_shards`).
"""

import contextlib
import os
import shutil
import struct
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from evaluation.sharding.devices import is_device_failure, use_threads
from evaluation.sharding.job import Compute, Job, Progress, Request
from evaluation.sharding.merge import gather, merged
from evaluation.sharding.part import SUFFIX, Part, difference, read_part
from evaluation.sharding.run import Timed, compute_shard, finish, header_of, shown
from evaluation.sharding.shard import Shard
from foundation.disk import full_disk
from foundation.engines.engine import Engine, WorkerDiedError, worker_died
from foundation.errors import InputError
from foundation.pages.quantities import plural
from foundation.progress import Advance
from foundation.temporary import locked
from foundation.terminal import warn

RETRIES = 2
"""How often a shard whose process or device died is taken again."""

_LOOK = 0.2
"""Seconds between two looks at the progress of the workers."""


def run_everywhere(request: Request, engine: Engine, shards: int, *, overwrite: bool = False) -> Timed[Any]:
    """Compute `request` in `shards`, or in those of an interrupted run, on `engine`, and write the result.

    Errors: `InputError`, as of one process; also for a shard whose worker dies again and again.
    """
    started, folder = time.perf_counter(), _folder(request)
    if overwrite:
        shutil.rmtree(folder, ignore_errors=True)
    with _locked(folder), full_disk(folder):
        job, header = request.open(), header_of(request)
        work = _ShardOfMany(request=request, folder=folder, count=_count(folder, header) or shards, header=header)
        with _show_progress(job.progress, folder):
            _run_all(engine, work)
        parts = gather([work.path(number) for number in work.numbers])
        result = finish(request, job, merged(job, parts), started)
        shutil.rmtree(folder, ignore_errors=True)
    return result


def has_shards(request: Request) -> bool:
    """Whether a killed run in shards left some for the output of `request`: `run_everywhere` resumes or removes it."""
    with contextlib.suppress(InputError):  # no output
        # Of standard input there are no shards.
        return _folder(request).is_dir() and Path("-") not in request.made().sources.values()
    return False


def _folder(request: Request) -> Path:
    out = request.out.absolute()
    return out.parent / f".{out.name}.shards"


@dataclass(frozen=True, kw_only=True)
class _ShardOfMany:
    """Call with the number of a shard, from 1, in a worker."""

    request: Request
    folder: Path
    count: int
    header: Mapping[str, Any]

    @property
    def numbers(self) -> range:
        return range(1, self.count + 1)

    def path(self, number: int) -> Path:
        """The part of a shard."""
        return self.folder / Shard(number=number, count=self.count).part(self.request.out).name

    def finished(self, number: int) -> bool:
        """Whether the part of a shard is there, and whole."""
        part = _part(self.path(number))
        return part is not None and part.units is not None

    def __call__(self, number: int) -> None:
        os.chdir(self.header["folder"])  # from where its paths are given
        warnings.filterwarnings("ignore", message="The pynvml package is deprecated")  # torch, of another's dependency
        use_threads()
        shard, path = Shard(number=number, count=self.count), self.path(number)
        with _count_into(self.folder / f"{number}.progress") as advance:
            try:
                job = _opened(self.request)
                compute_shard(job, shard, path, self.header, lambda: _loaded(self.request), advance)
            except RuntimeError as error:
                if is_device_failure(error):
                    raise worker_died(number, f"its GPU failed: {str(error).splitlines()[0]}") from error
                raise


@lru_cache(maxsize=1)
def _opened(request: Request) -> Job[Any, Any]:
    """Kept from one shard to the next."""
    return request.open()


@lru_cache(maxsize=1)
def _loaded(request: Request) -> Compute[Any]:
    return _opened(request).load(None)


def _run_all(engine: Engine, work: _ShardOfMany) -> None:
    missing = [number for number in work.numbers if not work.finished(number)]
    if len(missing) < work.count:
        warn(f"already finished: {work.count - len(missing)} of {plural(work.count, 'shard')}")
    try:
        engine.run(missing, work, lambda number: None)
    except WorkerDiedError as error:
        shard = Shard(number=error.task, count=work.count)
        fix = "What is finished is kept: the same command resumes. Give it fewer processes, or more memory."
        raise InputError(error.problem, where=f"shard {shard}", fix=fix, kind="worker-died") from error
    finally:
        _opened.cache_clear()  # where the engine worked in this process
        _loaded.cache_clear()


def _count(folder: Path, header: Mapping[str, Any]) -> int | None:
    """Into how many shards an interrupted run of the same was cut; the parts of another are removed."""
    parts = [part for path in folder.glob(f"*{SUFFIX}") if (part := _part(path)) is not None]
    for part in parts:
        if difference(part.header, header) is None:
            return int(part.header["shard"][1])
    for path in (*folder.glob(f"*{SUFFIX}"), *folder.glob("*.progress")):
        path.unlink()
    return None


def _part(path: Path) -> Part | None:
    """The part in a file that may be missing, or cut off."""
    try:
        return read_part(path)
    except InputError:
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder of the shards, held by this process; it goes at an error where none was begun.

    Errors: `InputError` where another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder) as acquired:
        if not acquired:
            fix = "Wait for it, or choose another output."
            raise InputError("is being computed by another process", where=folder, fix=fix, kind="run-in-use")
        try:
            yield
        except BaseException:
            if not any(folder.glob(f"*{SUFFIX}")):
                shutil.rmtree(folder, ignore_errors=True)
            raise


@contextmanager
def _count_into(path: Path) -> Iterator[Advance]:
    """For a worker: notes how much it has done in a file."""
    handle, done = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666), 0.0

    def advance(amount: float, /, counted: float | None = None) -> None:
        nonlocal done
        done += amount
        os.pwrite(handle, struct.pack("<d", done), 0)

    try:
        yield advance
    finally:
        os.close(handle)


def _work_done(folder: Path) -> float:
    """What all workers have done."""
    notes = [path.read_bytes() for path in folder.glob("*.progress")]
    return sum(float(struct.unpack("<d", note)[0]) for note in notes if note)


@contextmanager
def _show_progress(progress: Progress, folder: Path) -> Iterator[None]:
    """One bar over what all workers note."""
    ended = threading.Event()

    def watch(advance: Advance) -> None:
        seen, more = _work_done(folder), True
        advance(seen, 0)  # by an earlier run
        while more:
            more = not ended.wait(_LOOK)  # one last look when all is done
            now = _work_done(folder)
            advance(now - seen)
            seen = now

    with shown(progress) as advance, contextlib.ExitStack() as stack:
        watcher = threading.Thread(target=watch, args=(advance,), daemon=True)
        watcher.start()
        stack.callback(watcher.join)
        stack.callback(ended.set)
        yield
