"""What a log file of a command holds: a line at once, one for every so many seconds, and one at the end."""

import time

import pytest

from foundation import progress
from foundation.progress import progress_bar


def test_a_log_has_a_line_at_once_and_one_every_so_often(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.2)
    with progress_bar("work on [/it]", total=10, unit=" parts") as advance:
        assert capsys.readouterr().err == "work on [/it]: started\n"
        advance(4)
        time.sleep(1.1)  # no work is done, but lines are still printed
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) >= 2
        assert all("work on [/it]: " in line for line in lines)
        assert all("40%" in line and "left" in line for line in lines[1:])  # the first may come before the work
        advance(6)
    assert capsys.readouterr().err.splitlines()[-1].startswith("work on [/it]: 100%")
    time.sleep(0.5)
    assert not capsys.readouterr().err


def test_the_default_is_thirty_seconds() -> None:
    assert progress.EVERY == 30


def test_a_rate_of_another_unit_and_no_total(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("read", total=None, unit="B", rate="bases") as advance:
        advance(2_000_000, 500)
    assert "read: 2.0 MB, " in capsys.readouterr().err.splitlines()[-1]


def test_what_fails_has_no_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), progress_bar("read", total=None, unit="B"):
        raise KeyError
    assert capsys.readouterr().err == "read: started\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("work on [/it]", total=10, unit=" parts") as advance:
        advance(10)
    assert "work on [/it]" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
