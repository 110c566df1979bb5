"""What reaches a terminal: one line a message, no escapes, no failure, whatever a name holds and a terminal lacks."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation import terminal
from foundation.errors import InputError
from foundation.terminal import as_utf8, print_lines, print_table, printable, warn

COMMAND = Path(sys.executable).with_name("genomic-llama")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NAMES = {
    "not UTF-8": (b"\xff.fa", r"\xff.fa"),
    "markup": (b"[/foo].fa", "[/foo].fa"),
    "escape": (b"\x1b[31mred.fa", r"\x1b[31mred.fa"),
    "line end": (b"a\nerror: forged.fa", r"a\nerror: forged.fa"),
    "direction": ("\u202eaf.x".encode(), r"\u202eaf.x"),
}


@pytest.mark.parametrize(("raw", "shown"), NAMES.values(), ids=NAMES)
def test_names_are_shown_without_what_a_terminal_obeys(raw: bytes, shown: str) -> None:
    name = os.fsdecode(raw)
    assert printable(name) == shown
    assert str(InputError("is empty", where=name, fix=f"Look at {name}.", kind="empty")).startswith(
        f"{shown}: is empty. Look at "
    )
    assert "\n" not in str(InputError(f"no {name}", kind="no"))


@given(st.text())
def test_one_line_that_any_terminal_can_show(text: str) -> None:
    for encoding in ("utf-8", "ascii", "latin-1", "cp1252", "utf-16"):
        buffer = io.BytesIO()
        stream = io.TextIOWrapper(buffer, encoding=encoding)
        terminal._write(stream, (text,))
        written = buffer.getvalue().decode(encoding)
        assert written.endswith("\n")
        assert written[:-1].isprintable()
        assert len(written.splitlines()) == 1
    assert printable(text) == text or not text.isprintable()


def test_a_text_for_a_file_is_utf_8() -> None:
    assert as_utf8("ä\udcff") == "ä\\xff".encode()


class FullDisk(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_standard_error_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed, FullDisk()):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", stream)
            warn("x")
    monkeypatch.setattr(sys, "stdout", FullDisk())
    with pytest.raises(OSError, match="No space left"):  # a result that was not delivered is a failure
        print_lines("x")


def test_cells_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table({"[bold]": "left", "b": "right"}, [("[/foo]", 1), ("a\n\x1b[31m", 2)])
    told = capsys.readouterr().out
    assert "[/foo]" in told
    assert r"a\n\x1b[31m" in told
    assert "\x1b" not in told


@pytest.mark.parametrize("environment", [pytest.param({}, marks=pytest.mark.torture), ASCII], ids=["UTF-8", "ASCII"])
def test_the_work_of_a_corpus_under_any_name(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw = b" ".join(name for name, _ in NAMES.values())
    genome, out = Path(os.fsdecode(raw)), Path("out" + os.fsdecode(raw).replace("/", ""))
    genome.parent.mkdir()
    genome.write_text(">a\n" + "ACGT" * 500 + "\n")

    def run(*arguments: str | Path, status: int = 0) -> str:
        result = subprocess.run([COMMAND, *arguments], capture_output=True, env=os.environ | environment, check=False)
        told = (result.stdout + result.stderr).decode()
        assert result.returncode == status, told
        assert "Traceback" not in told
        assert "\x1b[31m" not in told
        assert "error: forged" not in told.split("\n")
        return told

    assert r"wrote out\xff.fa [foo].fa \x1b[31mred.fa a\nerror: forged.fa " in run(
        "prepare", genome, "--out", out, "--validation-fraction", "0"
    )
    run("corpus", "card", out, "--out", f"card{out}")
    assert r"\xff.fa" in (Path(f"card{out}") / "DATACARD.md").read_text(encoding="utf-8")
    assert r"\xff.fa [/foo].fa \x1b[31mred.fa" in run("prepare", genome, genome, "--out", "other", status=1)


def test_a_working_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && exec "$2" prepare x.fa --out y'
    result = subprocess.run(["sh", "-c", script, "sh", gone, COMMAND], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: the working directory no longer exists")
