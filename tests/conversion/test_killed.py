"""A conversion that is killed, by any signal and at any moment, leaves nothing that looks finished."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from by_hand import save_llama
from torture import Tally, times

from conversion.convert import convert
from conversion.formats import NAMES
from conversion.inspection import verify_checkpoint


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 MB, so that there is time to kill."""
    folder = tmp_path_factory.mktemp("source")
    return save_llama(folder / "hf", hidden_size=256, intermediate_size=2048, head_dim=64, num_hidden_layers=3)


@pytest.mark.parametrize("to", NAMES)
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_killed_at_a_random_moment(
    to: str, sent: signal.Signals, source: Path, tmp_path: Path, tally: Callable[[str], Tally]
) -> None:
    counted = tally(f"{sent.name} of a conversion to {to}: the whole output or none, and nothing left")
    for _ in range(times(1, 12)):
        killed = kill(source, tmp_path / "out", "--to", to, sent=sent)
        left = [path.name for path in tmp_path.iterdir()]
        if (tmp_path / "out").exists():  # it was quicker, and then it is whole
            assert verify_checkpoint(tmp_path / "out") is not None
        elif sent == signal.SIGKILL:
            assert all(name.startswith(".out.") and name.endswith(".tmp") for name in left)
        else:
            assert left == []
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        counted.count("killed" if killed else "ended before")
    convert(source, tmp_path / "out", to=to)  # and what was left is not in the way
    assert json.loads((tmp_path / "out" / "conversion.json").read_text())["format"] == to
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_killed_while_it_replaces_an_output(source: Path, tmp_path: Path, tally: Callable[[str], Tally]) -> None:
    counted = tally("SIGKILL of a conversion that replaces an output: the old one or the new one, whole")
    out = tmp_path / "out"
    convert(source, out, to="hf")
    for _ in range(times(2, 60)):
        killed = kill(source, out, "--to", "hf", "--dtype", "bfloat16", "--overwrite", sent=signal.SIGKILL)
        assert verify_checkpoint(out) is not None
        counted.count("killed" if killed else "ended before")


def kill(source: Path, out: Path, *arguments: str, sent: signal.Signals) -> bool:
    """Convert, and send a signal at some moment while the output is written; whether it came before the end."""
    command = Path(sys.executable).with_name("genomic-llama")
    before = set(out.parent.glob(".out.*"))
    process = subprocess.Popen([command, "convert", source, out, *arguments], stderr=subprocess.DEVNULL)
    while not {*out.parent.glob(".out.*")} - before and process.poll() is None:
        time.sleep(0.001)
    time.sleep(random.random() * 0.15)
    process.send_signal(sent)
    return process.wait(60) != 0
