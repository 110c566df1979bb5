"""The ranks of a run of Megatron-Bridge: those that torchrun or Slurm started, or the first of each machine starts.

A machine's first process starts the others as Lightning's does, so that one command trains on all its GPUs. NODE_RANK,
MASTER_ADDR and MASTER_PORT tell it of other machines.
"""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time

from configs.schema import HardwareConfig
from foundation.errors import InputError
from foundation.terminal import warn
from training.cpu.stand_in import exit_with_parent
from training.ranks import started_ranks

_GRACE_SECONDS = 20
"""From the end of one rank to that of the others, which as a rule end for the same reason."""


def join_ranks(machine: HardwareConfig, seed: int) -> int:
    """Meet the other ranks. Returns the rank of this process. Errors: `InputError`."""
    import torch

    started = started_ranks()
    if started is not None and started.launcher == "Slurm":
        _read_slurm(machine)
    elif started is None or (started.launcher != "torchrun" and "LOCAL_RANK" not in os.environ):
        _start_others(machine)
    if machine.accelerator == "cpu":
        torch.distributed.init_process_group("gloo")
        from megatron.core.tensor_parallel import get_cuda_rng_tracker

        get_cuda_rng_tracker().add("model-parallel-rng", seed)
    else:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("nccl")
    return int(torch.distributed.get_rank())


def _read_slurm(machine: HardwareConfig) -> None:
    if machine.num_nodes > 1 and "MASTER_ADDR" not in os.environ:
        fix = "Export the name of the first node; `genomic-llama launch --slurm` writes a script that does."
        raise InputError("is not set", where="MASTER_ADDR", fix=fix, kind="no-master-address")
    for name, theirs in (("RANK", "SLURM_PROCID"), ("WORLD_SIZE", "SLURM_NTASKS"), ("LOCAL_RANK", "SLURM_LOCALID")):
        os.environ[name] = os.environ.get(theirs, "0")
    os.environ.setdefault("MASTER_ADDR", "localhost")
    os.environ.setdefault("MASTER_PORT", str(20000 + int(os.environ["SLURM_JOB_ID"]) % 10000))


def _start_others(machine: HardwareConfig) -> None:
    """Start the other ranks of this machine with this command, and exit with them."""
    first = int(os.environ.get("NODE_RANK", "0")) * machine.devices
    os.environ |= {"WORLD_SIZE": str(machine.devices * machine.num_nodes), "RANK": str(first), "LOCAL_RANK": "0"}
    os.environ.setdefault("MASTER_ADDR", "localhost")
    os.environ.setdefault("MASTER_PORT", str(_free_port()))
    others = [
        subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env={**os.environ, "RANK": str(first + local), "LOCAL_RANK": str(local)},
            stdin=subprocess.DEVNULL,
            preexec_fn=exit_with_parent,
        )
        for local in range(1, machine.devices)
    ]
    if others:
        threading.Thread(target=_end_with, args=(others,), daemon=True).start()
        atexit.register(_end, others)


def _end_with(others: list["subprocess.Popen[bytes]"]) -> None:
    """End this process where another rank failed, which it would wait for in a collective."""
    while not (failed := [one.returncode for one in others if one.poll()]):
        time.sleep(0.5)
    time.sleep(_GRACE_SECONDS)
    warn(f"error: a rank of this machine ended with status {failed[0]}")
    for one in others:
        one.kill()
    os._exit(failed[0] if failed[0] > 0 else 1)


def _end(others: list["subprocess.Popen[bytes]"]) -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    for one in others:
        try:
            one.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.kill()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        return int(one.getsockname()[1])
