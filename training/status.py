"""Exit statuses of a run, by those of sysexits.h, and the signals that ask it to stop."""

import signal

PREEMPTED = 75
"""`EX_TEMPFAIL`: start it again, it resumes from the newest checkpoint (`training.stops`)."""

STOPPED = 65
"""`EX_DATAERR`: a guard stopped it at a step that would come again (`training.guards`)."""

HUNG = NO_PROGRESS = 70
"""`EX_SOFTWARE`: it hung, or was asked to stop, for the second time at the same checkpoint."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""SIGUSR1 for Slurm, which signals every process of a step: PyTorch's data-loading processes die of a SIGTERM."""
