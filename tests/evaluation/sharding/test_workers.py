"""Shards on many processes: what dies is reported and taken again, what is finished is kept, bytes are the same."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import toy_request
from refusal import refused
from toy_request import ToyRequest

from evaluation.sharding.devices import cpu_places, gpu_places, is_device_failure
from evaluation.sharding.run import run_whole
from evaluation.sharding.workers import RETRIES, run_everywhere
from foundation.engines.local import LocalEngine
from genomic_llama.cli.sharding import Sharding, carry_out

pytestmark = pytest.mark.fast

NUMBERS = list(range(40))


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., ToyRequest]:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "numbers.json").write_text(json.dumps(NUMBERS))

    def made(**options: object) -> ToyRequest:
        given = {"model": tmp_path / "model", "source": tmp_path / "numbers.json", "out": tmp_path / "out.json"}
        return ToyRequest(**{**given, **options})  # type: ignore[arg-type]

    return made


def engine(processes: int = 2, retries: int = RETRIES) -> LocalEngine:
    return LocalEngine(processes, apart=True, retries=retries, places=cpu_places(processes))


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("out.json", ".out.json.receipt")}


def computed(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "computed").read_text().split()]


def test_two_killed_shards_and_a_broken_gpu_change_no_byte(
    toy: Callable[..., ToyRequest], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_whole(toy())
    whole = outputs(tmp_path)
    (tmp_path / "out.json").unlink()
    (tmp_path / "computed").unlink()
    timed = run_everywhere(toy(killed=(10, 20), failing=(31,)), engine(), 5)
    assert (outputs(tmp_path), timed.result) == (whole, [number**2 for number in NUMBERS])
    assert not (tmp_path / ".out.json.shards").exists()
    told = capfd.readouterr().err
    assert told.count("is retried") == 3
    assert told.count("its GPU failed: CUDA error: an illegal memory access was encountered;") == 1
    assert "Squaring: 100%" in told
    again = [number for number in computed(tmp_path) if computed(tmp_path).count(number) > 1]
    assert set(again) <= {9, 10, 18, 19, 20, 30, 31}  # of the units that died, and no finished one


def test_a_shard_that_kills_every_worker_is_an_error_and_the_rest_is_kept(
    toy: Callable[..., ToyRequest], tmp_path: Path
) -> None:
    with refused("worker-died", where="/4", fix="resumes"):
        run_everywhere(toy(deadly=(20,)), engine(retries=1), 4)
    kept = computed(tmp_path)
    timed = run_everywhere(toy(), engine(1), 7)  # as it was cut before, whatever it would be cut into now
    assert timed.result == [number**2 for number in NUMBERS]
    again = computed(tmp_path)[len(kept) :]
    assert 20 in again
    assert not set(again) & set(kept) - {18, 19}


@pytest.mark.parametrize("processes", [True, False], ids=["processes", "this process"])
def test_a_command_that_is_killed_resumes(processes: bool, toy: Callable[..., ToyRequest], tmp_path: Path) -> None:
    request, own = toy(), Path(toy_request.__file__)
    parent = subprocess.Popen(
        [sys.executable, own, tmp_path], stderr=subprocess.DEVNULL, cwd=own.parents[2],
        env={**os.environ, "PYTHONPATH": f"{own.parents[2]}:{own.parent}"},
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (tmp_path / "harmed-10").exists() or len(computed(tmp_path)) < 20:
        assert time.monotonic() < end
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait(20)
    for part in (tmp_path / ".out.json.shards").glob("*.part"):  # until its worker has gone too
        with open(part, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
    kept = computed(tmp_path)
    (tmp_path / "out.json").write_text("[]")  # as a kill leaves it between an output and the receipt
    timed = carry_out(request, Sharding(processes=1) if processes else Sharding(), overwrite=False).timed
    assert timed is not None
    assert timed.result == [number**2 for number in NUMBERS]
    assert not (tmp_path / ".out.json.shards").exists()
    assert not set(computed(tmp_path)[len(kept) :]) & set(kept) - {9}


def test_bad_input_is_raised_as_it_is_and_only_once(toy: Callable[..., ToyRequest], tmp_path: Path) -> None:
    with refused("wrong-number", where="number 7"):
        run_everywhere(toy(wrong=(7,)), engine(), 4)
    assert not (tmp_path / "out.json").exists()


def test_another_run_of_the_same_name_keeps_nothing(toy: Callable[..., ToyRequest], tmp_path: Path) -> None:
    with refused("wrong-number"):
        run_everywhere(toy(wrong=(39,)), engine(1), 1)
    (tmp_path / "numbers.json").write_text("[5, 6]")
    assert run_everywhere(toy(), engine(1), 1).result == [25, 36]


def test_a_run_is_of_one_process(toy: Callable[..., ToyRequest], tmp_path: Path) -> None:
    from foundation.temporary import locked

    (tmp_path / ".out.json.shards").mkdir()
    with locked(tmp_path / ".out.json.shards"), refused("run-in-use", where=".out.json.shards"):
        run_everywhere(toy(), engine(), 2)


def test_cores_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(10)))
    assert [place.environment["OMP_NUM_THREADS"] for place in cpu_places(3)] == ["3"] * 3
    assert {place.environment["OMP_NUM_THREADS"] for place in cpu_places(16)} == {"1"}


@pytest.mark.parametrize(
    ("devices", "kind"),
    [("2", "no-such-gpu"), ("0,x", "no-such-gpu"), ("-1", "no-such-gpu"), ("", "no-such-gpu"), ("1,1", "gpu-twice")],
)
def test_gpus_that_are_not_there(devices: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-ab")
    with refused(kind):
        gpu_places(devices)
    environments = [place.environment for place in gpu_places("all")]
    assert environments == [{"CUDA_VISIBLE_DEVICES": "4"}, {"CUDA_VISIBLE_DEVICES": "GPU-ab"}]
    assert [place.name for place in gpu_places("1")] == ["GPU 1"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with refused("no-gpu", fix="--processes"):
        gpu_places("all")


def test_out_of_memory_is_no_broken_gpu() -> None:
    assert is_device_failure(RuntimeError("CUDA error: device-side assert triggered"))
    assert not is_device_failure(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not is_device_failure(RuntimeError("shape mismatch"))
