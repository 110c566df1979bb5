"""A run that starts from a stranger's checkpoint: what it holds is read as data, and NeMo never opens it."""

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_cases import load_context_with_nemo, poison_context
from nemo_process import run_in_process, train_over
from parallel_cases import VALUES, curve

from conversion.locate import find_checkpoint
from conversion.manifest import NAME as MANIFEST


class Runs:
    """Pickles to a call of `os.system`."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


@pytest.fixture
def checkpoint(whole: Path, tmp_path: Path) -> Path:
    """Without a manifest: who writes a hostile checkpoint writes one that agrees with it, or none."""
    copy = Path(shutil.copytree(whole / "checkpoints" / "step=3", tmp_path / "stranger"))
    (copy / MANIFEST).unlink()
    return copy


def start_from(checkpoint: Path, run: Path, corpus: Path) -> tuple[int, str]:
    log = run.with_suffix(".log")
    values = (f"run_dir={run}", f"dataset.corpus={corpus}", f"init_from={checkpoint}", "trainer.max_steps=1", *VALUES)
    status = train_over(1, "--config-name", "finetune_tiny", "hardware.devices=1", *values, log=log)
    return status, log.read_text()


def test_what_nemo_would_run_does_not_run(
    checkpoint: Path, whole: Path, corpus: Path, one_process: list[float], tmp_path: Path
) -> None:
    """A call in `io.json` and one in `common.pt`; the first loss is that of the weights."""
    assert run_in_process(poison_context, checkpoint / "context", tmp_path / "ran", log=tmp_path / "log") == 0
    run_in_process(load_context_with_nemo, checkpoint / "context", log=tmp_path / "log")
    assert (tmp_path / "ran").exists()  # where nothing guards
    (tmp_path / "ran").unlink()
    torch.save(Runs(f"touch {tmp_path / 'ran'}"), checkpoint / "weights" / "common.pt")
    status, log = start_from(checkpoint, tmp_path / "run", corpus)
    assert status == 0, log[-3000:]
    assert not (tmp_path / "ran").exists()
    assert curve(tmp_path / "run")[0] == pytest.approx(one_process[0], rel=0, abs=1e-6)
    (copy,) = (tmp_path / "initial_weights").iterdir()
    assert find_checkpoint(copy).path == copy
    assert copy.name.startswith("stranger-")


def test_a_hostile_listing_ends_the_run_before_it_begins(checkpoint: Path, corpus: Path, tmp_path: Path) -> None:
    (checkpoint / "weights" / ".metadata").write_bytes(pickle.dumps(Runs(f"touch {tmp_path / 'ran'}")))
    status, log = start_from(checkpoint, tmp_path / "run", corpus)
    assert status == 1, log[-3000:]
    assert "asks to load 'posix.system', which no checkpoint needs" in log
    assert "Traceback" not in log
    assert not (tmp_path / "ran").exists()
