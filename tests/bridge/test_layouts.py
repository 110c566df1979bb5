"""The second engine over two ranks, and when it is asked to leave."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_runs import PYTHON, losses, words

Run = Callable[..., None]


@pytest.mark.parametrize(
    "layout", ["parallelism.tensor=2", "parallelism.pipeline=2", "parallelism.distributed_optimizer=true"]
)
def test_two_ranks_give_the_curve_of_one(layout: str, folder: Path, bridge_run: Path, bridge: Run) -> None:
    """Tensor parallel, in two stages, and data parallel with the optimizer's state sharded."""
    name = layout.replace("=", "-")
    given = ("engine=bridge", "trainer.max_steps=6", "hardware.devices=2", layout)
    bridge("train", *words(folder, name, *given), ranks=2)
    found, wanted = losses(folder / name), losses(bridge_run)
    assert max(abs(found[step] - wanted[step]) for step in range(1, 7)) < 2e-6


def test_asked_to_leave_it_saves_and_exits_with_75(folder: Path, environment: dict[str, str]) -> None:
    """By the other door, in a process of its own, which starts the second rank and is alone asked."""
    _, name, *given = words(folder, "asked", "engine=bridge", "trainer.max_steps=2000", "hardware.devices=2")
    process = subprocess.Popen(
        [PYTHON.with_name("genomic-llama"), "train", name, *given], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 3/"):
            process.send_signal(signal.SIGUSR1)
            break
    _, rest = process.communicate(timeout=100)
    assert "Traceback" not in rest
    assert process.returncode == 75
    (saved,) = (folder / "asked" / "checkpoints").glob("iter_*")
    assert (saved / "manifest.json").is_file()
    stop = json.loads((folder / "asked" / "stops.jsonl").read_text())
    assert (stop["status"], stop["requeue"], stop["step"]) == (75, True, int(saved.name.removeprefix("iter_")))


def test_a_guard_that_stops_exits_with_65(folder: Path, start_bridge: Callable[..., Any]) -> None:
    """The weights explode in the first step."""
    wild = ("optimizer.lr=1e30", "optimizer.warmup_steps=0", "guards.non_finite=stop", "trainer.max_steps=9")
    process = start_bridge("train", *words(folder, "wild", "engine=bridge", *wild))
    assert process.wait() == 65, process.said()[-3000:]
    (event,) = map(json.loads, (folder / "wild" / "guards" / "events.jsonl").read_text().splitlines())
    assert (event["finding"], event["action"]) == ("not finite", "stop")
    assert json.loads((folder / "wild" / "stops.jsonl").read_text())["status"] == 65
    assert not list((folder / "wild").rglob("iter_*"))
