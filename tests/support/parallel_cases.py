"""Short runs of the tiny model in one process or several, and their loss curves."""

import json
from pathlib import Path

from nemo_process import train_over

RATES = ("optimizer.lr=2e-3", "optimizer.min_lr=2e-4")
"""Those of pretraining, for fine-tunes too: in five steps a curve shall move far more than its tolerance."""

VALUES = (
    *RATES,
    "dataset.sequence_length=64",
    "dataset.global_batch_size=4",
    "dataset.micro_batch_size=1",
    "trainer.validate_every=100",
    "trainer.checkpoint_every=3",
)


def trained(run: Path, corpus: Path, config: str, *overrides: str, ranks: int = 1, steps: int = 5) -> list[float]:
    """Train to `steps` in `run`, or go on to them there; the loss of each step that was made."""
    log = run.with_suffix(".log")
    values = (f"run_dir={run}", f"dataset.corpus={corpus}", f"trainer.max_steps={steps}", *VALUES, *overrides)
    status = train_over(ranks, "--config-name", config, f"hardware.devices={ranks}", *values, log=log)
    assert status == 0, "".join(path.read_text()[-3000:] for path in run.parent.glob(f"{log.name}*"))
    return curve(run)


def curve(run: Path, name: str = "loss") -> list[float]:
    """The loss of each step, in nats per token, or another value of its line in the run log."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if "loss" in line]
