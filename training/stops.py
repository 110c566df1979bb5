"""What a run says of how it stopped, for whoever started it.

The exit status of `srun` or `torchrun` is the largest of many ranks', and the rank that stops first ends the others: it
does not tell a preemption from a crash. So the run says it itself: in `RUN/stops.jsonl` (`evaluation.report.stops`),
and to the script of its job, in a directory that the script names in `GENOMIC_LLAMA_STOP_DIR`, a new one per attempt:

status    the exit status of the run, from the rank that knew first
requeue   why the job is to be started again; only there if it is
asked-R   rank R was asked to stop before the first step; `speaker` has the rank that spoke for all
"""

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path

from conversion.locate import iterations, newest_first, step_of
from conversion.manifest import NAME as MANIFEST
from evaluation.report.stops import NAME, Stop, read_stops
from foundation.json_lines import append_line
from foundation.typed import to_json
from training.ranks import started_ranks
from training.status import NO_PROGRESS, PREEMPTED, STOP_SIGNALS

STOP_DIR = "GENOMIC_LLAMA_STOP_DIR"


def report_status(status: int) -> None:
    """Tell the job's script the exit status of the run, unless another rank has."""
    _write_once("status", str(status))


def record_stop(run_dir: Path, reason: str, status: int, *, requeue: bool = False) -> None:
    """Add a stop to the run's history and tell the job's script its status. By one rank."""
    stop = Stop(
        time=time.time(),
        job=_job(),
        attempt=_attempt(),
        reason=reason,
        step=newest_step(run_dir),
        status=status,
        requeue=requeue,
    )
    with contextlib.suppress(OSError):  # a full disk must not hide why the run stops
        Path(run_dir).mkdir(parents=True, exist_ok=True)
        append_line(Path(run_dir) / NAME, to_json(stop))
    report_status(status)


def request_restart(run_dir: Path, reason: str) -> int:
    """Record a stop that asks for another start, unless the last one of this job was at the same checkpoint.

    By one rank. Returns the exit status: `PREEMPTED`, or `NO_PROGRESS` where it would stop at the same place again.
    """
    step, before = newest_step(run_dir), _last_request(run_dir)
    if before is not None and step <= before.step:
        print(f"\nno new checkpoint since the run last stopped ({before.reason}): it stops here", file=sys.stderr)
        record_stop(run_dir, f"{reason}; no new checkpoint since step {step}", NO_PROGRESS)
        return NO_PROGRESS
    record_stop(run_dir, reason, PREEMPTED, requeue=True)
    _write_once("requeue", f"{reason}; {_saved(step)}")
    return PREEMPTED


def install_signal_handlers(run_dir: Path) -> None:
    """Until training installs its own (`training.preemption`), SIGTERM and SIGUSR1 end this process as one to restart.

    Nothing is lost: the run resumes from the checkpoint that it would have started from.
    """

    def exit_for_restart(signum: int, frame: object) -> None:
        for one in STOP_SIGNALS:
            signal.signal(one, signal.SIG_IGN)  # the end of another rank is followed by a SIGTERM
        sys.exit(stop_before_first_step(run_dir, signum))

    for one in STOP_SIGNALS:
        signal.signal(one, exit_for_restart)


def stop_before_first_step(run_dir: Path, signum: int) -> int:
    """A rank was asked to stop before training listens, so that no rank can ask the others. Returns its exit status.

    `srun` and `torchrun` send SIGTERM when another rank has crashed. So the run asks to be started again on a SIGUSR1,
    or when every rank was asked; the last to say so speaks for all, and without a script's directory the first rank.
    """
    reason, ranks = f"{signal.Signals(signum).name} before the first step", started_ranks()
    print(f"\nstopped by {reason}", file=sys.stderr)
    if ranks is None or ranks.world == 1:
        return request_restart(run_dir, reason)
    if (folder := _folder()) is None:
        return request_restart(run_dir, reason) if ranks.rank == 0 else PREEMPTED
    _write_once(f"asked-{ranks.rank}", reason)
    asked = signum == signal.SIGUSR1 or len(list(folder.glob("asked-*"))) == ranks.world
    return request_restart(run_dir, reason) if asked and _write_once("speaker", str(ranks.rank)) else PREEMPTED


def newest_step(run_dir: Path) -> int:
    """The step of the newest whole checkpoint of a run; 0 without one."""
    folder = Path(run_dir) / "checkpoints"
    found = {step_of(path): path for path in newest_first(folder)} | iterations(folder)
    return max((step for step, path in found.items() if (path / MANIFEST).is_file()), default=0)


def _last_request(run_dir: Path) -> Stop | None:
    """The last stop of an earlier attempt of this job that asked for another start."""
    stops = [stop for stop in read_stops(run_dir) if stop.job == _job() and stop.attempt != _attempt()]
    return stops[-1] if stops and stops[-1].requeue else None


def _job() -> str:
    return os.environ.get("SLURM_JOB_ID", "")


def _attempt() -> str:
    """What no other start of the run has; the same on all ranks where a script started them."""
    if job := _job():
        return f"{job}.{os.environ.get('SLURM_RESTART_COUNT', '0')}"
    return os.environ.get(STOP_DIR) or f"{socket.gethostname()}.{os.getpid()}"


def _saved(step: int) -> str:
    return f"the run resumes from step {step}" if step else "no checkpoint yet; the run starts over"


def _folder() -> Path | None:
    name = os.environ.get(STOP_DIR)
    return Path(name) if name else None


def _write_once(what: str, text: str) -> bool:
    """Write one of the words. Whether it was this call that wrote it: the first one counts."""
    if (folder := _folder()) is None:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / what, "x", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError:
        return False
    return True
