"""A line at once, and one whenever none was printed for a while; none after the end."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foundation.heartbeat import Heartbeat


def test_what_takes_long_is_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    """How many lines a busy machine leaves time for is open; not what they say, and that there are no others."""
    beat = Heartbeat(every=0.2)
    beat.begin("importing")
    time.sleep(0.9)
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "importing"
    assert len(others) > 1
    assert all(re.fullmatch(r"importing: 0:0\d so far", line) for line in others)
    beat.set_activity("step 1")
    time.sleep(0.5)
    assert re.fullmatch(r"step 1: 0:0\d so far", capsys.readouterr().err.splitlines()[-1])
    beat.end()
    time.sleep(0.1)
    capsys.readouterr()
    time.sleep(0.4)
    assert capsys.readouterr().err == ""


def test_other_lines_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    beat = Heartbeat(every=1.5)
    beat.begin("training")
    for _ in range(20):
        time.sleep(0.1)
        beat.line_printed()
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
