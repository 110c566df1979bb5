"""The exit status of a run that saved a checkpoint because it was asked to leave."""

PREEMPTED = 75
"""`EX_TEMPFAIL` of sysexits.h: try again later. Launch scripts requeue on it, and on nothing else."""
