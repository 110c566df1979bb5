"""What the report says of speed, wall time and sources comes from the log, restarts and all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.report.run_log import read_run_log
from evaluation.report.speed import source_rows, speed_curve, speed_note, wall_time_rows

WriteRun = Callable[..., Path]


def _step(step: int, at: float, **values: Any) -> dict[str, Any]:
    line = {"step": step, "loss": 1.3, "learning_rate": 1e-3, "grad_norm": None, "tokens": 8000, "seconds": 4.0}
    speed = {"tokens_per_second": 2000.0, "bases_per_second": 1900.0, "tflops_per_device": 480.0, "mfu": 0.485}
    return {**line, **speed, "bases": 7600, "bits_per_base": 1.9, "peak_memory_gib": 70.0, "time": at, **values}


def _validation(step: int, at: float, low: float | None, high: float) -> dict[str, Any]:
    by_source = {"phages": low, "soil": high}
    return {
        "step": step,
        "time": at,
        "validation_loss": 1.3,
        "validation_bits_per_base": 1.9,
        "validation_loss_by_source": by_source,
        "validation_bits_per_base_by_source": by_source,
        "validation_seconds": 3.0,
    }


@pytest.fixture
def restarted(write_run: WriteRun) -> Path:
    """Began at 1000; killed after step 3, which is done again by a process that began a minute later."""
    lines = [
        _step(1, 1014.0, start_seconds=10.0),
        _step(2, 1018.0),
        {"step": 2, "time": 1020.0, "checkpoint_seconds": 2.0},
        _validation(2, 1023.0, 1.7, 1.95),
        _step(3, 1027.0),
        _step(3, 1100.0, start_seconds=9.0),
        _validation(3, 1103.0, 1.8, 1.91),
    ]
    run = write_run()
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def test_the_wall_time_adds_up(restarted: Path) -> None:
    log = read_run_log(restarted)
    assert log.wall_time == {
        "training": 12.0,
        "steps done again": 4.0,
        "starts": 19.0,
        "validation": 6.0,
        "checkpoints": 2.0,
        "no process, or unknown": 103.0 - 43.0,
    }
    assert sum(log.wall_time.values()) == 1103.0 - 1000.0
    assert wall_time_rows(log)[0] == ("training", "12.0 s", "11.7%")
    assert log.replaced == 1


def test_speeds_and_sources_are_told(restarted: Path) -> None:
    log = read_run_log(restarted)
    assert speed_note(log) == (
        "Median 2 k tokens per second, 1.9 k bases per second, 480 model TFLOP/s on each device, 48.5% MFU (causal), "
        "70.0 GiB at most on the first device."
    )
    assert source_rows(log) == [
        {"name": "phages", "last": "1.8000", "best": "1.7000"},
        {"name": "soil", "last": "1.9100", "best": "1.9100"},
    ]
    assert "MFU" in speed_curve(log)


def test_a_source_without_bases_is_left_out(restarted: Path) -> None:
    with open(restarted / "metrics.jsonl", "a") as file:
        file.write(json.dumps(_validation(3, 1104.0, None, 1.9)) + "\n")
    assert [row["name"] for row in source_rows(read_run_log(restarted))] == ["soil"]


def test_an_older_log_says_what_it_can(write_run: WriteRun) -> None:
    log = read_run_log(write_run())
    assert (log.wall_time, wall_time_rows(log), source_rows(log)) == ({}, [], [])
    assert speed_note(log) == "Median 2.05 k tokens per second."
    assert "MFU" not in speed_curve(log)
