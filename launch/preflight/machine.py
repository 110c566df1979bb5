"""Whether this machine has what a configuration needs, checked before NeMo takes half a minute to fail."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from configs.schema import HardwareConfig, TrainConfig
from foundation.disk import full_disk
from foundation.errors import InputError
from foundation.pages.quantities import plural
from training.ranks import outside_a_step, started_ranks

MIN_FREE_BYTES = 64 << 20
"""Bytes. A write that failed with more than this free did not fail for want of room."""


def check_ranks(machine: HardwareConfig) -> None:
    """Refuse to train on other ranks than asked for. Errors: `InputError`.

    Lightning takes what the launcher started, whatever the trainer's devices are.
    """
    ranks, asked = started_ranks(), machine.devices * machine.num_nodes
    if ranks is None or ranks.launcher not in _START:
        return
    settings = f"hardware.devices={machine.devices} with hardware.num_nodes={machine.num_nodes}"
    if ranks.world != asked:
        raise InputError(
            f"asks for {asked} ranks, but {ranks.launcher} started {ranks.world}",
            where=settings,
            fix=_START[ranks.launcher].format(nodes=machine.num_nodes, devices=machine.devices),
            kind="world-size",
        )
    if ranks.launcher == "Slurm" and asked > 1 and outside_a_step():
        raise InputError(
            f"asks for {asked} ranks, but the batch script of a Slurm job is a single process",
            where=settings,
            fix="Start it with srun, or let `genomic-llama launch --slurm` write the script.",
            kind="outside-srun",
        )


_START = {
    "Slurm": "Give the job --nodes={nodes} --ntasks-per-node={devices}, or change hardware.devices and num_nodes.",
    "torchrun": "Give torchrun --nnodes={nodes} --nproc-per-node={devices}, or change hardware.devices and num_nodes.",
}


def check_machine(config: TrainConfig) -> None:
    """Refuse a GPU run without GPUs, torch's CUDA build or Transformer Engine. Errors: `InputError`."""
    machine = config.hardware
    if machine.accelerator != "gpu":
        return
    import torch

    where, doctor = f"hardware={machine.gpu}", "genomic-llama doctor says more."
    if torch.version.cuda is None:
        fix = f"Install the CUDA build (docs/install.md), or give hardware=cpu. {doctor}"
        raise InputError("needs GPUs, but torch is built without CUDA", where=where, fix=fix, kind="torch-without-cuda")
    found = torch.cuda.device_count()  # asks the driver, without starting CUDA
    if found < machine.devices:
        fix = f"Look at nvidia-smi and CUDA_VISIBLE_DEVICES, or give hardware.devices={max(found, 1)}. {doctor}"
        raise InputError(
            f"needs {plural(machine.devices, 'GPU')} per node, but torch finds {found}",
            where=where,
            fix=fix,
            kind="too-few-gpus",
        )
    if importlib.util.find_spec("transformer_engine") is None:
        fix = f"Install it: docs/install.md. {doctor}"
        raise InputError(
            "needs Transformer Engine, which is not installed", where=where, fix=fix, kind="no-transformer-engine"
        )


@contextmanager
def explain_rendezvous_failure() -> Iterator[None]:
    """The address where ranks meet, as an `InputError` where it cannot be had: a port in use, a host out of reach."""
    import torch.distributed

    try:
        yield
    except torch.distributed.DistNetworkError as error:
        address = f"{os.environ.get('MASTER_ADDR', 'localhost')}:{os.environ.get('MASTER_PORT', '29500')}"
        used = "EADDRINUSE" in str(error)
        problem = "the port is in use" if used else str(error).splitlines()[0]
        fix = "Another run may be alive: end it, or set MASTER_PORT to another." if used else "Look at MASTER_ADDR."
        raise InputError(
            f"the ranks cannot meet: {problem}", where=address, fix=fix, kind="ranks-cannot-meet"
        ) from error


@contextmanager
def explain_full_disk(run_dir: Path) -> Iterator[None]:
    """A disk that was full when a checkpoint was written, as an `InputError`; PyTorch tells it as an odd position."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        with full_disk(run_dir):
            yield
    except (CheckpointException, RuntimeError) as error:
        of_a_save = isinstance(error, CheckpointException) or "inline_container" in str(error)
        if not of_a_save or shutil.disk_usage(run_dir).free > MIN_FREE_BYTES:
            raise
        fix = "Free some space and give the same command: it resumes from the newest whole checkpoint."
        raise InputError(
            "a checkpoint cannot be written: the disk is full", where=run_dir, fix=fix, kind="disk-full"
        ) from error
