"""GPUs, driver, and what torch makes of them, against the section `hardware`."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from configs.schema import TrainConfig
from launch.preflight.finding import Finding, broken, ok, warning


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU as nvidia-smi tells; memory in GiB."""

    name: str
    memory_gib: float
    driver: str
    compute_capability: float


def find_gpus() -> list[Gpu]:
    """The GPUs of this machine; none where there is no nvidia-smi, or no driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version,compute_cap", "--format=csv,noheader,nounits"]
    try:
        result = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return []
    return parse_gpus(result.stdout) if result.returncode == 0 else []


def parse_gpus(text: str) -> list[Gpu]:
    """The lines of nvidia-smi's CSV."""
    rows = [[field.strip() for field in line.split(",")] for line in text.splitlines() if line.strip()]
    return [
        Gpu(name=name, memory_gib=float(mebibytes) / 1024, driver=driver, compute_capability=float(capability))
        for name, mebibytes, driver, capability in rows
    ]


_PROBE = """
import json, torch
found = {"cuda": torch.version.cuda, "devices": 0, "error": "", "nccl": ""}
try:
    torch.cuda.init()
    found["devices"] = torch.cuda.device_count()
    found["nccl"] = ".".join(map(str, torch.cuda.nccl.version()))
    torch.ones(8, device="cuda").sum().item()
except Exception as error:
    found["error"] = str(error).splitlines()[0]
try:
    import transformer_engine.pytorch
except ImportError as error:
    found["transformer_engine"] = str(error).splitlines()[0]
print("found" + json.dumps(found))
"""


def device_findings(config: TrainConfig | None) -> Iterator[Finding]:
    """What there is, and whether `config` can run on it. Starts torch in a process of its own where a GPU is wanted."""
    gpus = find_gpus()
    wanted = config is not None and config.hardware.accelerator == "gpu"
    shown = f"{len(gpus)} x {gpus[0].name}, driver {gpus[0].driver}" if gpus else "none"
    if config is None:
        yield ok("GPUs", shown)
    elif wanted:
        yield from match_hardware(config, gpus)
    elif gpus and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
        yield broken(
            "GPUs", f"{shown}, and hardware=cpu", "Choose another hardware group, or set CUDA_VISIBLE_DEVICES=''."
        )
    else:
        yield ok("GPUs", f"{shown}; hardware=cpu needs none")
    if gpus and (wanted or config is None):
        yield from torch_findings(probe_torch(), wanted=config.hardware.devices if config is not None and wanted else 0)


def match_hardware(config: TrainConfig, gpus: Sequence[Gpu]) -> Iterator[Finding]:
    """The GPUs of this node against the section `hardware`."""
    machine = config.hardware
    if not gpus:
        fix = "Install NVIDIA's driver, run on another machine, or give hardware=cpu."
        yield broken("GPUs", f"none (nvidia-smi finds no GPU), hardware.devices={machine.devices} needed", fix)
        return
    shown = f"{len(gpus)} x {gpus[0].name}"
    if len(gpus) < machine.devices:
        yield broken("GPUs", f"{shown}, {machine.devices} needed", f"Give hardware.devices={len(gpus)}.")
    else:
        yield ok("GPUs", shown)
    if machine.gpu != "none" and machine.gpu not in gpus[0].name.lower():
        yield warning("kind of GPU", f"{gpus[0].name}, not {machine.gpu}", "Choose the hardware group of this machine.")
    if gpus[0].compute_capability < machine.compute_capability:
        found = f"compute capability {gpus[0].compute_capability}, below {machine.compute_capability}"
        yield broken("kind of GPU", found, "Choose the hardware group of this machine: FP8 formats depend on it.")
    least = min(gpu.memory_gib for gpu in gpus)
    if least < 0.98 * machine.memory_gib:
        found = f"{least:.1f} GiB, hardware.memory_gib={machine.memory_gib}"
        yield warning("GPU memory", found, f"Plan again with hardware.memory_gib={least:.1f}.")


def probe_torch() -> dict[str, object]:
    """What torch finds, in a process of its own: importing it takes seconds, and CUDA may take the process down."""
    try:
        result = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": "did not answer within two minutes"}
    line = next((line for line in result.stdout.splitlines() if line.startswith("found")), "")
    if not line:
        return {"error": (result.stderr.strip().splitlines() or [f"ended with {result.returncode}"])[-1]}
    found: dict[str, object] = json.loads(line.removeprefix("found"))
    return found


def torch_findings(found: dict[str, object], *, wanted: int) -> Iterator[Finding]:
    """torch's CUDA, NCCL, and Transformer Engine."""
    if found.get("error"):
        cuda = found.get("cuda")
        if cuda is None:
            yield broken("torch and CUDA", "torch is built without CUDA", "Install the CUDA build: docs/install.md.")
        else:
            fix = "The driver must support torch's CUDA version: nvidia-smi shows the newest that it supports."
            yield broken("torch and CUDA", f"torch is built for CUDA {cuda}: {found['error']}", fix)
        return
    yield ok("torch and CUDA", f"CUDA {found['cuda']}, {found['devices']} devices, NCCL {found['nccl']}")
    if isinstance(found["devices"], int) and found["devices"] < wanted:
        fix = "Look at CUDA_VISIBLE_DEVICES, or give fewer hardware.devices."
        yield broken("visible devices", f"{found['devices']}, {wanted} needed", fix)
    if error := found.get("transformer_engine"):
        yield broken("Transformer Engine", str(error), "Install it: docs/install.md.")
    else:
        yield ok("Transformer Engine", "imports")
