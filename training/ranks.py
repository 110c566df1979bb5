"""The ranks that a launcher started, read from the environment as Lightning reads it, before Lightning is imported."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that `launcher` started."""

    rank: int  # of Lightning's own, only whether it is the first
    world: int  # 0: not known
    launcher: str  # torchrun, Slurm or Lightning


def started_ranks(environment: Mapping[str, str] = os.environ) -> Ranks | None:
    """None where no launcher started ranks: this is the first one, and Lightning starts the others of its machine.

    In Lightning's order (`_choose_and_init_cluster_environment`). A Slurm job named bash or interactive does not count.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        return Ranks(rank=int(environment["RANK"]), world=int(environment["WORLD_SIZE"]), launcher="torchrun")
    if "SLURM_NTASKS" in environment and environment.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        return Ranks(
            rank=int(environment.get("SLURM_PROCID", "0")), world=int(environment["SLURM_NTASKS"]), launcher="Slurm"
        )
    later = int(environment.get("LOCAL_RANK", "0")) + int(environment.get("NODE_RANK", "0"))
    if later:  # Lightning starts the ranks of a machine from its first, and only those know the world
        return Ranks(rank=later, world=int(environment.get("WORLD_SIZE", "0")), launcher="Lightning")
    return None


def outside_a_step(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the script of a Slurm job itself, where one process is all ranks, and not a task of `srun`."""
    return "SLURM_JOB_ID" in environment and "SLURM_STEP_ID" not in environment
