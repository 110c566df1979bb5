"""Tasks on the workers of a Ray cluster, which may be many machines."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from foundation.engines.engine import GRACE, Work, WorkerDiedError, worker_died
from foundation.errors import InputError
from foundation.telemetry import turn_off_telemetry
from foundation.terminal import warn

if TYPE_CHECKING:
    import ray


class RayEngine:
    """The workers of a Ray cluster: the one that this process is in, that at `address`, or one started for the run.

    All machines need this installation and the same paths to sources and output. A task whose worker is lost is tried
    again, up to `retries` times. `gpus`: a task gets a GPU, where the cluster has any. Needs the extra `ray`.
    """

    def __init__(self, address: str | None = None, *, retries: int = 3, gpus: bool = False) -> None:
        self._address, self._retries, self._gpus = address, retries, gpus

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
            gpu = 1 if self._gpus and ray.cluster_resources().get("GPU") else 0
            remote = ray.remote(max_retries=self._retries, num_cpus=1, num_gpus=gpu)(_call)
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
                        raise worker_died(task, f"Ray gave it up: {type(error).__name__}") from error
                    on_done(task)
            finally:
                _cancel(list(running))


def _call(work: Work, task: int) -> None:
    try:
        work(task)
    except WorkerDiedError as error:  # Ray starts another process for what it takes for a crash
        warn(f"warning: {socket.gethostname()}: {error.problem}")
        os._exit(1)


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
    from ray.exceptions import RayError

    if ray.is_initialized():  # within a user's Ray program
        yield
        return
    check_reachable(address)
    try:
        ray.init(address=address or "local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RayError) as error:
        problem = f"no Ray cluster: {str(error).splitlines()[0]}"
        fix = "Check the address, or leave it out. Set RAY_AUTH_MODE=token if the cluster asks for a token."
        raise InputError(problem, where=address, fix=fix, kind="ray-unreachable") from error
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
