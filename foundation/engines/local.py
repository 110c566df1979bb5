"""Tasks on processes of this machine."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for
from types import FrameType

from foundation.engines.engine import GRACE, Work, WorkerDiedError, worker_died
from foundation.errors import InputError
from foundation.terminal import warn


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one worker process is. `environment`: what is set in it before anything is imported."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)


class LocalEngine:
    """`processes` worker processes of this machine, which end with this process, however that ends; or this one.

    `apart`: another process even for a single task, so that one which dies is an error.
    `retries`: how often a task whose worker died is taken again, by a new worker; this is reported.
    `places`: of the processes, one for each; a place where two workers died one after the other gets no more tasks.
    """

    def __init__(self, processes: int, *, apart: bool = False, retries: int = 0, places: Sequence[Place] = ()) -> None:
        if processes < 1:
            raise InputError(f"is {processes}", where="processes", fix="Give 1 or more.", kind="process-count")
        self._apart, self._retries = apart, retries
        self._places = places or [Place(name=f"process {number}") for number in range(1, processes + 1)]

    def isolated(self) -> "LocalEngine":
        """The same, with `apart`."""
        return LocalEngine(len(self._places), apart=True, retries=self._retries, places=self._places)

    def run(self, tasks: Sequence[int], work: Work, on_done: Callable[[int], None]) -> None:
        """As `Engine.run`; one task at a time needs no other process."""
        if min(len(self._places), len(tasks)) < 2 and not (self._apart and tasks):
            for task in tasks:
                work(task)
                on_done(task)
            return
        waiting, deaths = deque(tasks), Counter[int]()
        with _workers(self._places[: len(tasks)]) as idle:
            running: dict[Future[None], tuple[_Worker, int]] = {}
            while idle or running:
                while idle and waiting:
                    worker, task = idle.pop(0), waiting.popleft()
                    running[worker.submit(work, task)] = (worker, task)
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    worker, task = running.pop(future)
                    try:
                        _result(future, task)
                    except WorkerDiedError as error:
                        deaths[task] += 1
                        if deaths[task] > self._retries:
                            raise
                        warn(f"warning: {worker.place.name}: {error.problem}; task {task} is retried")
                        waiting.append(task)
                        worker.restart()
                        if worker.deaths < _HOPELESS or not (idle or running):
                            idle.append(worker)
                    else:
                        worker.deaths = 0
                        on_done(task)
                        idle.append(worker)


_HOPELESS = 2
"""Workers that died at one place, one after the other, after which it gets no more tasks while others do."""


class _Worker:
    """A pool of one process, so that a process that dies is known to have died of its own task."""

    def __init__(self, place: Place) -> None:
        self.place, self.deaths = place, 0
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        given = (dict(self.place.environment),)
        self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_start_worker, initargs=given)

    def submit(self, work: Work, task: int) -> "Future[None]":
        return self._pool.submit(_run, work, task)

    def restart(self) -> None:
        self.deaths += 1
        self.stop()
        self._start()

    def stop(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _workers(places: Sequence[Place]) -> Iterator[list[_Worker]]:
    """A worker at each place, all idle."""
    others = set(multiprocessing.active_children())
    workers = [_Worker(place) for place in places]
    try:
        yield workers.copy()
    except BaseException:
        _end([child for child in multiprocessing.active_children() if child not in others])
        raise
    finally:
        for worker in workers:
            worker.stop()


def _end(children: Sequence[multiprocessing.process.BaseProcess]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        child.join(GRACE)
        child.kill()


def _start_worker(environment: dict[str, str]) -> None:
    """Let a termination clean up, leave an interrupt to the parent, and end when the parent does."""
    os.environ.update(environment)
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _run(work: Work, task: int) -> None:
    global _working
    _working = True
    try:
        work(task)
    except SystemExit:  # the task has cleaned up; the pool would take this for a result and continue
        os._exit(1)
    finally:
        _working = False


_working = False


def _exit(number: int, frame: FrameType | None) -> None:
    if _working:
        sys.exit(128 + number)
    os._exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _result(future: "Future[None]", task: int) -> None:
    try:
        future.result()
    except BrokenProcessPool:
        raise worker_died(task, "its process died, most often because memory ran out") from None
