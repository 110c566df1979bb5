"""Where shards are computed: a process for each GPU, or processes that share the cores of this machine."""

import os
import sys

from foundation.engines.local import Place
from foundation.errors import InputError

ALL = "all"


def gpu_places(devices: str) -> list[Place]:
    """A process for each of `devices`: "all", or numbers with commas, as they count among the visible GPUs.

    Errors: `InputError` for a GPU that is not there.
    """
    visible = _visible()
    if not visible:
        fix = "Use --processes N on CPUs."
        raise InputError(f"--devices {devices}: this machine has no GPU to use", fix=fix, kind="no-gpu")
    numbers = [str(number) for number in range(len(visible))] if devices == ALL else devices.split(",")
    for number in numbers:
        if not number.isdecimal() or int(number) >= len(visible):
            fix = f"Give {ALL}, or numbers from 0 to {len(visible) - 1} with commas."
            raise InputError(f"--devices {devices}: there is no GPU {number!r}", fix=fix, kind="no-such-gpu")
    if len(set(map(int, numbers))) < len(numbers):
        raise InputError(f"--devices {devices}: a GPU is listed twice", fix="List each once.", kind="gpu-twice")
    return [
        Place(name=f"GPU {number}", environment={"CUDA_VISIBLE_DEVICES": visible[int(number)]}) for number in numbers
    ]


def cpu_places(processes: int) -> list[Place]:
    """Processes on the CPU, each with its share of the cores."""
    threads = str(max(1, len(os.sched_getaffinity(0)) // processes))
    environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    return [Place(name=f"process {number}", environment=environment) for number in range(1, processes + 1)]


def use_threads() -> None:
    """Give torch the threads of this process's share, where it was imported before that was known."""
    threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if threads.isdecimal() and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(max(1, int(threads)))


def is_device_failure(error: RuntimeError) -> bool:
    """Whether a GPU itself failed, after which its process can compute nothing. Out of memory does not count."""
    return type(error).__name__ == "AcceleratorError" or "CUDA error" in str(error)


def _visible() -> list[str]:
    """The GPUs of this process as CUDA_VISIBLE_DEVICES names them."""
    import torch

    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] if named else [str(number) for number in range(count)]
