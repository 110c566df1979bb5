"""A line at once, and one whenever none was printed for a while; none after the end."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from foundation.heartbeat import Heartbeat


def test_what_takes_long_is_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    beat = Heartbeat(every=0.2)
    beat.begin("importing")
    assert capsys.readouterr().err == "importing\n"
    time.sleep(0.5)
    assert capsys.readouterr().err.splitlines() == ["importing: 0:00 so far"] * 2
    beat.doing("step 1")
    assert capsys.readouterr().err == ""
    time.sleep(0.3)
    assert capsys.readouterr().err == "step 1: 0:00 so far\n"
    beat.end()
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_other_lines_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    beat = Heartbeat(every=0.4)
    beat.begin("training")
    for _ in range(8):
        time.sleep(0.1)
        beat.said()
    beat.end()
    assert capsys.readouterr().err == "training\n"


def test_training_says_something_before_it_imports_nemo(tmp_path: Path) -> None:
    """Quiet too: the first line comes before the half minute of imports, and says what is done."""
    command = [sys.executable, "-m", "recipes.train", "--quiet", "--config-name", "train_tiny"]
    run = [f"run_dir={tmp_path}/run", f"dataset.corpus={tmp_path}/none"]
    failed = subprocess.run(
        [*command, *run], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    first, second = failed.stderr.splitlines()
    assert first.startswith("train_tiny: checking")
    assert second.startswith("error: ")  # refused before NeMo
    assert failed.returncode == 1
