"""What both front doors look at before anything heavy is built: this machine, and the paths of the run."""

from pathlib import Path

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from foundation import terminal
from foundation.atomic import check_writable
from launch.planning.warnings import warnings
from launch.preflight.machine import check_corpora, check_machine, check_ranks
from training.checkpointing.same_model import check_initial_weights
from training.ranks import started_ranks


def check_start(config: TrainConfig, architecture: LlamaArchitecture, *, started: bool = True) -> None:
    """Refuse a run that this machine cannot do; `check` asks what no machine can. Errors: `InputError`.

    `started`: this process is one that trains, and not one that is going to start those.
    """
    if started:
        check_ranks(config.hardware)
    check_machine(config)
    check_corpora(config)
    check_initial_weights(config, architecture)
    check_writable(Path(config.run_dir) / "config.yaml")


def warn(config: TrainConfig) -> None:
    """Print what works and may not be meant, once for all ranks."""
    ranks = started_ranks()
    if ranks is None or ranks.rank == 0:
        for warning in warnings(config):
            terminal.warn(f"warning: {warning}")
