"""The wall time of a run, by phase and over restarts."""

import json
import time
from pathlib import Path

import pytest

from training.metrics.clock import PhaseClock, drop_torn_line, goodput_so_far


def test_a_clock_is_always_in_one_phase() -> None:
    began = time.perf_counter()
    clock = PhaseClock("training")
    time.sleep(0.02)
    clock.enter("validation")
    time.sleep(0.05)
    clock.enter("training")
    time.sleep(0.01)
    training, validation, checkpoint = clock.take("training"), clock.take("validation"), clock.take("checkpoint")
    whole = time.perf_counter() - began
    assert checkpoint == 0.0
    assert 0.05 <= validation <= whole
    assert 0.03 <= training <= whole - 0.05
    assert training + validation == pytest.approx(whole, abs=0.01)
    assert clock.take("validation") == 0.0


def rows(*values: tuple[int, float, float]) -> list[dict[str, float]]:
    """Training lines: (step, time, seconds)."""
    return [{"step": step, "time": at, "loss": 1.0, "seconds": seconds} for step, at, seconds in values]


def write(log: Path, lines: list[dict[str, float]]) -> Path:
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return log


def test_goodput_counts_a_step_once(tmp_path: Path) -> None:
    """A run that began at 1000, did three steps, was killed, and resumes after step 2; step 3 is lost."""
    first = rows((1, 1014.0, 4.0), (2, 1018.0, 4.0), (3, 1023.0, 5.0))
    first[0]["start_seconds"] = 10.0
    other = {"step": 2, "time": 1019.0, "validation_loss": 2.0, "validation_seconds": 1.0}
    log = write(tmp_path / "log", [*first[:2], other, first[2]])
    assert goodput_so_far(log, done=2, began=2000.0) == goodput_so_far(log, done=2, began=0.0)
    assert (goodput_so_far(log, done=2, began=0).began, goodput_so_far(log, done=2, began=0).productive) == (1000, 8)
    again = write(tmp_path / "again", [*first, *rows((3, 1043.0, 6.0), (4, 1047.0, 4.0))])
    assert goodput_so_far(again, done=4, began=0.0).productive == 18.0


def test_a_new_run_begins_now(tmp_path: Path) -> None:
    fresh = goodput_so_far(tmp_path / "none", done=0, began=time.time() - 10)
    assert fresh.productive == 0.0
    fresh.productive = 5.0
    assert fresh.share() == pytest.approx(0.5, abs=0.05)


def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path: Path) -> None:
    log = write(tmp_path / "log", rows((1, 1.0, 1.0)))
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"step": 2, "ti')
    drop_torn_line(log)
    assert log.read_bytes() == whole
    drop_torn_line(log)
    assert log.read_bytes() == whole
    log.write_bytes(b'{"step"')
    drop_torn_line(log)
    assert log.read_bytes() == b""
    drop_torn_line(tmp_path / "none")


def test_a_damaged_line_stops_no_run(tmp_path: Path) -> None:
    """A power cut leaves zeros where a line was."""
    log = write(tmp_path / "log", rows((1, 1.0, 1.0)))
    with open(log, "ab") as file:
        file.write(b"\0" * 80 + b"\n\xff[]\n")
    with open(log, "a") as file:
        file.write(json.dumps(rows((2, 3.0, 2.0))[0]) + "\n")
    assert goodput_so_far(log, done=2, began=0.0).productive == 3.0
