"""What each rank says of itself when nothing advances, and which of them the others wait for."""

import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from foundation.atomic import atomic_file

GRACE_SECONDS = 10.0
"""Time for the reports of the other ranks: each rank's limit counts from its own last progress."""

WAITING = (
    "torch/distributed/",
    "megatron/core/pipeline_parallel/p2p_communication.py",
    "megatron/core/optimizer/clip_grads.py",
    "megatron/core/distributed/param_and_grad_buffer.py",
    "training/preemption.py",
)
"""Files where a rank waits for others, or for a device that does."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Where the training thread of one rank was. `micro_batches`: forward passes of the step."""

    rank: int
    host: str
    pid: int
    doing: str
    micro_batches: int
    place: str  # FILE:LINE in FUNCTION, innermost
    waiting: bool  # for other ranks, by the files on its stack


def report_here(*, rank: int, doing: str, micro_batches: int, thread: int) -> Report:
    """The report of this process, whose training thread has the identifier `thread`."""
    stack = traceback.extract_stack(sys._current_frames()[thread])
    last = stack[-1]
    return Report(
        rank=rank,
        host=socket.gethostname(),
        pid=os.getpid(),
        doing=doing,
        micro_batches=micro_batches,
        place=f"{last.filename}:{last.lineno} in {last.name}",
        waiting=any(name in frame.filename for frame in stack for name in WAITING),
    )


def write_report(folder: Path, report: Report) -> None:
    """Write `rank=N.json`."""
    with atomic_file(folder / f"rank={report.rank}.json") as path:
        path.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")


def wait_for_reports(folder: Path, ranks: int, limit: float) -> dict[int, Report]:
    """The reports by rank, when all are there or no more are to be expected."""
    deadline = time.monotonic() + min(GRACE_SECONDS, limit)
    while len(paths := sorted(folder.glob("rank=*.json"))) < ranks and time.monotonic() < deadline:
        time.sleep(0.1)
    reports = (Report(**json.loads(path.read_text(encoding="utf-8"))) for path in paths)
    return {report.rank: report for report in reports}


def suspects(reports: Mapping[int, Report], ranks: int) -> list[int]:
    """The ranks that the others wait for: the silent ones, else those that wait for no other; none where all wait."""
    silent = [rank for rank in range(ranks) if rank not in reports]
    return silent or [rank for rank, report in sorted(reports.items()) if not report.waiting]


def summary(reports: Mapping[int, Report], ranks: int, folder: Path, *, limit: float, again: bool) -> str:
    """Some lines for people."""
    named = suspects(reports, ranks)
    lines = [f"error: nothing has happened for {limit:.0f} s; the stacks of each rank are in {folder}"]
    for rank in named[:8]:
        report = reports.get(rank)
        where = "stopped, or dead, or its machine is" if report is None else f"{report.doing}, {report.place}"
        host = "" if report is None else f" ({report.host}, process {report.pid})"
        lines.append(f"rank {rank}{host} holds up the others: {where}")
    if len(named) > 8:
        lines.append(f"and {len(named) - 8} more ranks")
    if not named:
        lines.append("every rank waits for the others: the network between them, or a device, is at fault")
    lines.append("it hung before from this checkpoint: not started again" if again else "it may be started again")
    return "\n".join(lines) + "\n"
