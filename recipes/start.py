"""What both front doors look at before anything heavy is built: this machine, the corpora, the run directory."""

import os
import sys
from pathlib import Path

from conduct.atomic import check_writable
from configs.schema import TrainConfig
from recipes.machine import check_corpora, check_machine
from recipes.warnings import warnings


def check_start(config: TrainConfig) -> None:
    """Refuse a run that this machine cannot do; `recipes.check` asks what no machine can. Errors: `InputError`."""
    check_machine(config)
    check_corpora(config)
    check_writable(Path(config.run_dir) / "config.yaml")


def warn(config: TrainConfig) -> None:
    """Print what works and may not be meant, once for all ranks."""
    if os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0":
        for warning in warnings(config):
            print(f"warning: {warning}", file=sys.stderr)
