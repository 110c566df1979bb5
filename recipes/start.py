"""What both front doors look at before anything heavy is built: this machine, and the paths of the run."""

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from conduct.atomic import check_writable
from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from recipes.checkpointing.same_model import check_initial_weights
from recipes.launch.status import ASKED, PREEMPTED
from recipes.machine import check_corpora, check_machine
from recipes.warnings import warnings


def check_start(config: TrainConfig, architecture: LlamaArchitecture) -> None:
    """Refuse a run that this machine cannot do; `recipes.check` asks what no machine can. Errors: `InputError`."""
    check_machine(config)
    check_corpora(config)
    check_initial_weights(config, architecture)
    check_writable(Path(config.run_dir) / "config.yaml")


def leave_when_asked() -> None:
    """Until training listens itself (`recipes.preemption`), SIGTERM and SIGUSR1 end this process as one to be requeued.

    Nothing is lost: the run goes on from the checkpoint that it would have begun with.
    """
    for one in ASKED:
        signal.signal(one, lambda signum, frame: leave(signum))


def leave(signum: int) -> NoReturn:
    """Exit with `PREEMPTED`, and say why there is no new checkpoint."""
    print(f"\nstopped by {signal.Signals(signum).name} before the first step", file=sys.stderr)
    sys.exit(PREEMPTED)


def warn(config: TrainConfig) -> None:
    """Print what works and may not be meant, once for all ranks."""
    if os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0":
        for warning in warnings(config):
            print(f"warning: {warning}", file=sys.stderr)
