"""A traced step in a process of its own (`gpu_process.run_with_engine`)."""

import dataclasses
import json
from pathlib import Path


def write_trace(name: str, gpus: int, overrides: list[str], rank: int, out: Path) -> None:
    """Bytes that were traced and planned."""
    from benchmarks.emulated_gpu.trace import trace

    out.write_text(json.dumps(dataclasses.asdict(trace(name, gpus, *overrides, rank=rank))))
