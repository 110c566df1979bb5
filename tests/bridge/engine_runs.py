"""Runs of the tiny model that both engines make, and what they wrote."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-bridge" / "bin" / "python"
SMALL = ("dataset.sequence_length=64", "dataset.micro_batch_size=2", "dataset.global_batch_size=4")
LENGTH = ("optimizer.lr=5e-4", "optimizer.schedule_steps=20", "optimizer.warmup_steps=2", "trainer.validate_every=10")
FEW = ("trainer.checkpoint_every=10", "trainer.validation_batches=1", "trainer.keep_checkpoints=-1")


def words(folder: Path, run: str, *more: str) -> list[str]:
    given = (f"dataset.corpus={folder}/corpus", f"run_dir={folder}/{run}", f"init_from={folder}/start")
    return ["--config-name", "train_tiny", *given, *SMALL, *LENGTH, *FEW, *more]


def losses(run: Path, key: str = "loss") -> dict[int, float]:
    """Of each step; of one that was done twice, the later."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row[key] for row in rows if key in row}
