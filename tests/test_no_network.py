"""No command talks to another machine unless it is asked to: whatever tries is refused, and written down."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_seeds import write_model

from foundation.telemetry import OFF

GUARD = Path(__file__).parent / "support" / "no_network"
COMMAND = Path(sys.executable).with_name("genomic-llama")

# An empty network of its own, with the loopback up: what C++ libraries try fails there too.
_LOOPBACK = (
    "import fcntl, os, socket, struct, sys\n"
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 0x41))\n"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


def _can_unshare() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run(["unshare", "-rn", "true"], check=False).returncode == 0


def run(folder: Path, *command: object) -> None:
    """Run `command`, which must succeed, where there is no network."""
    environment = {name: value for name, value in os.environ.items() if name not in OFF and "PROXY" not in name.upper()}
    environment |= {"PYTHONPATH": str(GUARD), "ATTEMPTS": str(folder / "attempts"), "HOME": str(folder)}
    alone = ("unshare", "-rn", sys.executable, "-S", "-c", _LOOPBACK) if _can_unshare() else ()
    result = subprocess.run(
        [*alone, *map(str, command)], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert not (folder / "attempts").exists(), (folder / "attempts").read_text()
    assert result.returncode == 0, result.stderr[-3000:]


def test_the_guard_guards(tmp_path: Path) -> None:
    code = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')"
    with pytest.raises(AssertionError, match=r"socket\.getaddrinfo '192\.0\.2\.1'"):
        run(tmp_path, sys.executable, "-c", code)


# The commands one after the other in one process, which imports torch once.
_IN_TURN = (
    "import sys\n"
    "from genomic_llama.cli.main import main\n"
    "for line in sys.argv[1:]:\n"
    "    sys.argv = ['genomic-llama', *line.split()]\n"
    "    try:\n"
    "        main()\n"
    "    except SystemExit as end:\n"
    "        assert not end.code, line\n"
)


def test_prepare_convert_score_and_evaluate(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    (tmp_path / "suite.yaml").write_text("likelihood: [{name: a, source: genome.fa}]\n")
    run(
        tmp_path,
        *(sys.executable, "-c", _IN_TURN),
        "simulate genome.fa --contigs 20 --contig-length 400",
        "prepare genome.fa --out corpus --validation-fraction 0.2",
        "convert model nemo --to nemo",
        "convert nemo exported --to hf --verify logits",
        "score exported corpus --out score.json",
        "evaluate suite.yaml exported --out evaluation",
    )
    assert (tmp_path / "evaluation" / "index.html").is_file()
    assert (tmp_path / "score.json").is_file()


@pytest.mark.torture
def test_a_training_run_from_import_to_checkpoint(tmp_path: Path) -> None:
    """A minute, since NeMo is imported again; with an exporter in the working directory that one-logger would load."""
    (tmp_path / "one_logger_exporters_config.yaml").write_text(
        "exporters: [{class_name: antigravity.Exporter, enabled: true, config: {}}]\n"
    )
    run(tmp_path, COMMAND, "simulate", "genome.fa", "--contigs", 20, "--contig-length", 1000)
    run(tmp_path, COMMAND, "prepare", "genome.fa", "--out", "corpus", "--validation-fraction", 0.2)
    values = ("dataset.corpus=corpus", "run_dir=run", "trainer.max_steps=2", "dataset.sequence_length=64")
    train = (sys.executable, "-m", "recipes.train", "--config-name", "train_tiny", *values)
    run(tmp_path, *train)
    assert (tmp_path / "run" / "metrics.jsonl").is_file()
