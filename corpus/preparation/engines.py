"""Where the shards of a preparation are worked on: processes of this machine, or a Ray cluster.

An engine knows nothing of shards: it calls `work(task)` for each of a list of numbers, somewhere, and says which are
done. `work` has to be picklable and to leave its results on a disk that all machines share.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from foundation.errors import InputError
from foundation.telemetry import turn_off_telemetry

if TYPE_CHECKING:
    import ray

Work = Callable[[int], object]

GRACE = 10.0
"""Seconds that a worker has to remove its temporary files once it is told to end."""


class Engine(Protocol):
    """Runs tasks in any order, many at a time."""

    def run(self, tasks: Sequence[int], work: Work, on_done: Callable[[int], None]) -> None:
        """Call `work(task)` for each of `tasks`, and here `on_done(task)` when it has returned.

        The first error of a task ends the others and is raised as it is. Errors: `InputError` for a worker that dies.
        """
        ...


class LocalEngine:
    """`processes` worker processes of this machine, which end with this process, however that ends; or this one.

    `apart`: another process even for a single task, so that one which dies is an error.
    """

    def __init__(self, processes: int, *, apart: bool = False) -> None:
        if processes < 1:
            raise InputError(f"is {processes}", where="processes", fix="Give 1 or more.", kind="process-count")
        self._processes, self._apart = processes, apart

    def kept_apart(self) -> "LocalEngine":
        """The same, with `apart`."""
        return LocalEngine(self._processes, apart=True)

    def run(self, tasks: Sequence[int], work: Work, on_done: Callable[[int], None]) -> None:
        """As `Engine.run`; one task at a time needs no other process."""
        if min(self._processes, len(tasks)) < 2 and not (self._apart and tasks):
            for task in tasks:
                work(task)
                on_done(task)
            return
        waiting = iter(tasks)
        with _workers(min(self._processes, len(tasks))) as workers:
            running = {
                worker.submit(_run, work, task): (worker, task)
                for worker, task in zip(workers, waiting, strict=False)  # `workers` first: it takes no task too many
            }
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    worker, task = running.pop(future)
                    _result(future, task)
                    on_done(task)
                    for following in waiting:
                        running[worker.submit(_run, work, following)] = (worker, following)
                        break


@contextlib.contextmanager
def _workers(count: int) -> Iterator[list[ProcessPoolExecutor]]:
    """Pools of one process each, so that a process that dies is known to have died of its own task."""
    context = multiprocessing.get_context("forkserver")
    others = set(multiprocessing.active_children())
    workers = [ProcessPoolExecutor(1, mp_context=context, initializer=_start_worker) for _ in range(count)]
    try:
        yield workers
    except BaseException:
        _end([child for child in multiprocessing.active_children() if child not in others])
        raise
    finally:
        for worker in workers:
            worker.shutdown(cancel_futures=True)


def _end(children: Sequence[multiprocessing.process.BaseProcess]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        child.join(GRACE)
        child.kill()


def _start_worker() -> None:
    """Let a termination clean up, leave an interrupt to the parent, and end when the parent does."""
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _run(work: Work, task: int) -> None:
    global _working
    _working = True
    try:
        work(task)
    except SystemExit:  # the task has cleaned up; the pool would take this for a result and go on
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
        raise _died(task, "its process died, most often because memory ran out") from None


class RayEngine:
    """The workers of a Ray cluster: the one that this process is in, that at `address`, or one started for the run.

    All machines need this installation and the same paths to sources and output. A task whose worker is lost is tried
    again, up to `retries` times. Needs the extra `ray`.
    """

    def __init__(self, address: str | None = None, *, retries: int = 3) -> None:
        self._address, self._retries = address, retries

    def run(self, tasks: Sequence[int], work: Work, on_done: Callable[[int], None]) -> None:
        """As `Engine.run`."""
        try:
            import ray
            from ray.exceptions import RayError, RayTaskError
        except ModuleNotFoundError:
            raise InputError(
                "Ray is not installed", fix="Install the extra: pip install -e '.[ray]'.", kind="missing-package"
            ) from None

        with _ray_cluster(self._address):
            remote = ray.remote(max_retries=self._retries, num_cpus=1)(_call)
            shared = ray.put(work)
            running = {remote.remote(shared, task): task for task in tasks}
            try:
                while running:
                    (done,), _ = ray.wait(list(running), num_returns=1)
                    task = running.pop(done)
                    try:
                        ray.get(done)
                    except RayTaskError as error:
                        raise error.cause from None
                    except RayError as error:
                        raise _died(task, f"Ray gave it up: {type(error).__name__}") from error
                    on_done(task)
            finally:
                _cancel(list(running))


def _call(work: Work, task: int) -> None:
    work(task)


def _cancel(running: "list[ray.ObjectRef[None]]") -> None:
    """Interrupt tasks, and give them the time to remove their temporary files.

    Again and again, since Ray loses the interrupt of a task that is only just beginning.
    """
    import ray

    limit = time.monotonic() + GRACE
    while running and time.monotonic() < limit:
        for reference in running:
            ray.cancel(reference)
        _, running = ray.wait(running, num_returns=len(running), timeout=1, fetch_local=False)


@contextlib.contextmanager
def _ray_cluster(address: str | None) -> Iterator[None]:
    turn_off_telemetry()
    import ray

    if ray.is_initialized():  # within somebody's Ray program
        yield
        return
    check_reachable(address)
    try:
        ray.init(address=address or "local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"no Ray cluster: {error}",
            where=address,
            fix="Check the address, or leave it out.",
            kind="ray-unreachable",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def check_reachable(address: str | None, *, seconds: float = 5.0) -> None:
    """Refuse an address where nothing listens: Ray itself tries for a quarter of an hour.

    `auto`, `local` and addresses without a port are left to Ray. Errors: `InputError`.
    """
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"no Ray cluster answers: {error}",
            where=address,
            fix="Check the address that `ray start --head` printed, or leave it out.",
            kind="ray-unreachable",
        ) from error


class WorkerDiedError(InputError):
    """A worker process that ended within a task. `task`: its number."""

    task = 0


def _died(task: int, how: str) -> InputError:
    error = WorkerDiedError(
        how,
        where=f"task {task}",
        fix="Finished tasks are kept. Run it again with fewer processes or more memory.",
        kind="worker-died",
    )
    error.task = task
    return error
