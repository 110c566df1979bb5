"""The command line: quick help, one message for bad input, exit statuses."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genomic_llama.cli.main import app

COMMANDS = ("prepare", "convert", "checkpoint", "score", "report", "simulate", "tokenizer", "plan", "launch", "doctor")
HEAVY = ("torch", "nemo", "nemo_run", "megatron", "transformers", "lightning", "pyarrow", "matplotlib", "numpy")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("genomic-llama")
    return subprocess.run([command, *arguments], capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_imports_nothing_heavy(command: tuple[str, ...]) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from genomic_llama.cli.main import app\n"
        f"result = CliRunner().invoke(app, {[*command, '--help']!r})\n"
        f"print(result.exit_code, 'Usage:' in result.output, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split(maxsplit=2) == ["0", "True", "[]\n"]


def test_prepare_and_convert_import_no_nemo() -> None:
    heavy = "{'nemo', 'megatron', 'transformers', 'torch'}"
    for modules, more in (("corpus.preparation.prepare", ""), ("conversion.convert", " | {'numpy'}")):
        code = f"import sys, {modules}; print(({heavy}{more}) & sys.modules.keys())"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert result.stdout == "set()\n"


@pytest.mark.parametrize(
    "arguments",
    [("score", "", "x.fa"), ("generate", "m", "--out", ""), ("evaluate", "zero-shot", "m", "--data", ""),
     ("mutate", "m", "x.fa", "--out", "o", "--adapter", "")],
    ids=" ".join,
)  # fmt: skip
def test_an_empty_path_is_not_the_current_directory(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, "The path is empty" in result.output) == (2, True), result.output


def test_simulate_prints_the_entropy_rate_and_is_deterministic(tmp_path: Path) -> None:
    for name in ("a.fa", "b.fa"):
        result = run("simulate", name, "--contigs", "3", "--contig-length", "200", cwd=tmp_path)
        assert (result.returncode, result.stdout) == (0, "0.847585\n")
    assert (tmp_path / "a.fa").read_bytes() == (tmp_path / "b.fa").read_bytes()


def test_tokenizer_writes_and_checks(tmp_path: Path) -> None:
    assert run("tokenizer", "here", cwd=tmp_path).returncode == 0
    assert "nucleotide vocabulary" in run("tokenizer", "here", "--check", cwd=tmp_path).stdout
    again = run("tokenizer", "here", cwd=tmp_path)
    assert again.returncode == 1
    assert again.stderr.startswith("error: here: already exists")
    assert "Traceback" not in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prepare", "none.fa", "--out", "corpus"), "none.fa"),
        (("convert", "none", "out", "--to", "hf"), "none"),
        (("convert", "none", "out", "--to", "nemo"), "none"),
        (("convert", "none", "out", "--to", "bridge", "--optimizer"), "none"),
        (("checkpoint", "info", "none"), "none"),
        (("checkpoint", "verify", "none"), "none"),
        (("checkpoint", "strip", "none", "out"), "none"),
        (("score", "none", "none.fa"), "none"),
        (("report", "none", "--corpus", "none", "--score", "none"), "none"),
        (("tokenizer", "none", "--check"), "none"),
    ],
)
def test_bad_input_ends_with_one_message(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_leaves_nothing(sent: signal.Signals, status: int, tmp_path: Path) -> None:
    genome = tmp_path / "genome.fa"
    genome.write_bytes(b"".join(b">contig%d\n%s\n" % (number, b"ACGTTGCA" * 100_000) for number in range(100)))
    command = Path(sys.executable).with_name("genomic-llama")
    arguments = [command, "prepare", genome, "--out", tmp_path / "corpus"]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job in the background inherits deafness
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, preexec_fn=heed)
    while not list(tmp_path.glob(".corpus.*")):
        assert process.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.01)
    process.send_signal(sent)
    process.communicate(timeout=60)
    assert process.returncode == status
    assert list(tmp_path.iterdir()) == [genome]
