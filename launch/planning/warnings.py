"""What works and may not be meant: told by both front doors, by `genomic-llama launch` and by a plan."""

from collections.abc import Iterator

from configs.schema import TrainConfig
from launch.planning.schedule import schedule_warning


def warnings(config: TrainConfig) -> Iterator[str]:
    """A sentence each, without a full stop."""
    if warning := schedule_warning(config.optimizer, config.trainer.max_steps):
        yield warning
