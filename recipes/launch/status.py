"""Exit statuses of a run, by those of sysexits.h, and the signals that ask it to leave."""

import signal

PREEMPTED = 75
"""`EX_TEMPFAIL`: try again later, from the newest checkpoint. Launch scripts requeue on it, and on nothing else."""

STOPPED = 65
"""`EX_DATAERR`: a guard stopped it at a step that would come again (`recipes.guards`)."""

HUNG = 70
"""`EX_SOFTWARE`: it hung, as it did before from the same checkpoint. The first time it exits with `PREEMPTED`."""

ASKED = (signal.SIGTERM, signal.SIGUSR1)
"""SIGUSR1 for Slurm, which signals every process of a step: PyTorch's data-loading processes die of a SIGTERM."""
