"""What tests of benchmarks run in a process that has NeMo (`nemo_process.run_in_process`)."""

import json
import sys
from pathlib import Path


def dry_run(out: Path) -> None:
    """`python -m benchmarks.gpu --dry-run`."""
    from benchmarks.gpu.__main__ import main

    sys.exit(main(["--dry-run", "--out", str(out)]))


def settings_of_the_8b(gpu: str, out: Path) -> None:
    """`python -m benchmarks.gpu --write-settings`, and Megatron-Core's dataclasses made of what was written."""
    from megatron.core.distributed import DistributedDataParallelConfig
    from megatron.core.transformer import TransformerConfig

    from benchmarks.gpu.__main__ import main
    from benchmarks.gpu.training import typed

    status = main(["--gpu", gpu, "--write-settings", str(out)])
    for settings in json.loads(out.read_text()).values():
        if isinstance(settings, dict):
            without_te = {**settings["transformer"], "apply_rope_fusion": False}
            DistributedDataParallelConfig(**typed(settings["ddp"]))
            TransformerConfig(**typed(without_te))
    sys.exit(status)
