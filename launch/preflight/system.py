"""What the operating system gives: disk, shared memory, open files, a port, variables."""

import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from launch.planning.memory import state_bytes
from launch.preflight.finding import Finding, broken, ok, warning

SHARED_MEMORY = 1 << 30
"""Bytes of /dev/shm below which data-loading processes and NCCL run out of it; a container has 64 MiB by default."""

OPEN_FILES = 4096
"""Shards of corpora and checkpoints, and sockets to other ranks."""

TORCHRUN_PORT = 29500


def system_findings() -> Iterator[Finding]:
    """What does not depend on a configuration."""
    yield shared_memory(Path("/dev/shm"))
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield port(os.environ.get("MASTER_PORT"))
    yield offline(dict(os.environ))


def checkpoint_bytes(config: TrainConfig, architecture: LlamaArchitecture) -> int:
    """Of one checkpoint: weights, and on disk always in fp32 both moments and the master weights of narrower ones."""
    weight, _, _ = state_bytes(config)
    return (weight + (8 if weight == 4 else 12)) * architecture.parameters


def run_directory(config: TrainConfig, architecture: LlamaArchitecture) -> Iterator[Finding]:
    """Whether the run can write, and has room for its checkpoints: those it keeps, and one that is being written."""
    run = Path(config.run_dir).absolute()
    there = next(path for path in (run, *run.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there) as file:
            file.write(b"0")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        found = f"{there} cannot be written: {error.strerror or error}"
        yield broken("run directory", found, "Give run_dir=PATH on a writable disk.")
        return
    yield ok("run directory", f"{run} can be written")
    if config.lora.dim:
        return  # checkpoints of adapters are small
    one, keep = checkpoint_bytes(config, architecture), config.trainer.keep_checkpoints
    kept = config.trainer.max_steps // config.trainer.checkpoint_every if keep < 0 else keep
    free, needed = shutil.disk_usage(there).free, one * (kept + 1)
    found = f"{free / 1e9:,.1f} GB free, {kept + 1} checkpoints of {one / 1e9:,.2f} GB take {needed / 1e9:,.1f}"
    if free < one:
        yield broken("disk space", found, "Free some, or give run_dir=PATH of a larger disk.")
    elif free < needed:
        yield warning("disk space", found, "Free some, or lower trainer.keep_checkpoints.")
    else:
        yield ok("disk space", found)


def shared_memory(path: Path) -> Finding:
    """Size of /dev/shm."""
    if not path.is_dir():
        return broken("shared memory", f"no {path}", "Data-loading processes and NCCL need it.")
    size = shutil.disk_usage(path).total
    found = f"{path} has {size / 2**30:.2f} GiB"
    if size < SHARED_MEMORY:
        return warning("shared memory", found, "Start the container with --shm-size=16g or --ipc=host.")
    return ok("shared memory", found)


def open_files(limit: int) -> Finding:
    """The limit of open files, which is soft."""
    if limit != resource.RLIM_INFINITY and limit < OPEN_FILES:
        return warning("open files", f"{limit} at a time", "Run ulimit -n 65536 before.")
    return ok("open files", "no limit" if limit == resource.RLIM_INFINITY else f"{limit:,} at a time")


def port(given: str | None) -> Finding:
    """Whether the ranks can meet at MASTER_PORT, or where torchrun would."""
    what = "MASTER_PORT" if given else "port of torchrun"
    if given is not None and not (given.isdecimal() and 0 < int(given) < 65536):
        return broken(what, f"{given!r} is not a port", "Give a number from 1024 to 65535.")
    number = int(given or TORCHRUN_PORT)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", number))
        except OSError as error:
            found = f"{number} is not available: {error.strerror}"
            fix = "Another run may be alive; end it, or set MASTER_PORT to another port."
            return broken(what, found, fix) if given else warning(what, found, fix)
    return ok(what, f"{number} is free")


def offline(variables: dict[str, str]) -> Finding:
    """Nothing of a run needs a network; on a machine without one a look-up costs minutes."""
    if variables.get("HF_HUB_OFFLINE") in ("1", "true", "yes"):
        return ok("offline", "HF_HUB_OFFLINE is set")
    fix = "Set HF_HUB_OFFLINE=1, as the launch scripts do."
    return warning("offline", "HF_HUB_OFFLINE is not set", fix)
