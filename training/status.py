"""Exit statuses of a run, by those of sysexits.h, and the signals that ask it to stop."""

import signal
import sys
from typing import NoReturn

PREEMPTED = 75
"""`EX_TEMPFAIL`: try again later, from the newest checkpoint. Launch scripts requeue on it, and on nothing else."""

STOPPED = 65
"""`EX_DATAERR`: a guard stopped it at a step that would come again (`training.guards`)."""

HUNG = 70
"""`EX_SOFTWARE`: it hung, as it did before from the same checkpoint. The first time it exits with `PREEMPTED`."""

ASKED = (signal.SIGTERM, signal.SIGUSR1)
"""SIGUSR1 for Slurm, which signals every process of a step: PyTorch's data-loading processes die of a SIGTERM."""


def install_signal_handlers() -> None:
    """Until training installs its own (`training.preemption`), end on SIGTERM and SIGUSR1 with `PREEMPTED`.

    Nothing is lost: the run resumes from the checkpoint that it would have started from.
    """
    for one in ASKED:
        signal.signal(one, lambda signum, frame: exit_preempted(signum))


def exit_preempted(signum: int) -> NoReturn:
    """Exit with `PREEMPTED`, and say why there is no new checkpoint."""
    print(f"\nstopped by {signal.Signals(signum).name} before the first step", file=sys.stderr)
    sys.exit(PREEMPTED)
