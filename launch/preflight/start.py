"""What every front door tells before a run: settings that work and may not be meant."""

from configs.schema import TrainConfig
from foundation import terminal
from launch.planning.warnings import warnings
from training.ranks import started_ranks


def warn(config: TrainConfig) -> None:
    """Print what works and may not be meant, once for all ranks."""
    ranks = started_ranks()
    if ranks is None or ranks.rank == 0:
        for warning in warnings(config):
            terminal.warn(f"warning: {warning}")
