"""A conversion that is killed, by any signal and at any moment, leaves nothing that looks finished."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from by_hand import save_llama

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
def test_killed_at_a_random_moment(to: str, sent: signal.Signals, source: Path, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("genomic-llama")
    out = tmp_path / "out"
    process = subprocess.Popen([command, "convert", source, out, "--to", to], stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".out.*")) and process.poll() is None:
        time.sleep(0.001)
    time.sleep(random.random() * 0.1)
    process.send_signal(sent)
    process.wait(60)
    left = [path.name for path in tmp_path.iterdir()]
    if out.exists():  # it was quicker, and then it is whole
        assert verify_checkpoint(out) is not None
    elif sent == signal.SIGKILL:
        assert all(name.startswith(".out.") and name.endswith(".tmp") for name in left)
    else:
        assert left == []
    shutil.rmtree(out, ignore_errors=True)
    convert(source, out, to=to)  # and what was left is not in the way
    assert json.loads((out / "conversion.json").read_text())["format"] == to
