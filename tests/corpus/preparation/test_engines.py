"""Tasks on this machine's processes and on Ray: all done, the first error raised, no worker left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import shard_cases
from refusal import refused
from toy_request import ToyRequest

from corpus.preparation.prepare import prepare
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
from evaluation.sharding.workers import run_everywhere
from foundation.engines.engine import Engine, worker_died
from foundation.engines.local import LocalEngine
from foundation.engines.ray_cluster import RayEngine, check_reachable
from foundation.errors import InputError

SUPPORT = Path(shard_cases.__file__)


@pytest.fixture(scope="session")
def ray_engine() -> Iterator[Engine]:
    """Ray on this machine, started once: that takes some ten seconds."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(SUPPORT.parent))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        except Exception as error:
            ray.shutdown()
            if "timed out during startup" not in str(error):
                raise
            pytest.skip("the machine is too busy: Ray did not start in the 30 s that it gives itself")
        yield RayEngine(retries=1)
        ray.shutdown()


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return LocalEngine(2) if request.param == "local" else request.getfixturevalue("ray_engine")


def test_every_task_is_done_once(engine: Engine, tmp_path: Path) -> None:
    done: list[int] = []
    engine.run(range(5, 12), partial(shard_cases.write_shard, tmp_path), done.append)
    assert sorted(done) == list(range(5, 12))
    assert {path.name for path in tmp_path.iterdir()} == {f"shard-{task}" for task in done}
    assert str(os.getpid()) not in {path.read_text() for path in tmp_path.iterdir()}


def test_the_first_error_ends_the_others_and_is_raised_as_it_is(engine: Engine, tmp_path: Path) -> None:
    start = time.monotonic()
    with refused("bad", where="shard 1") as raised:
        engine.run(range(6), partial(shard_cases.fail_at, tmp_path, 1), lambda task: None)
    assert type(raised.value) is InputError
    assert time.monotonic() - start < 30
    assert not list(tmp_path.glob("shard-*"))
    if isinstance(engine, LocalEngine):  # Ray may end a worker without warning, when its driver leaves at the latest
        assert {path.name[:4] for path in tmp_path.iterdir()} == {"pid-"}  # no temporary file
        assert_gone(tmp_path)


def test_a_dead_worker_is_an_error_that_names_its_task(engine: Engine, tmp_path: Path) -> None:
    engine = RayEngine(retries=0) if isinstance(engine, RayEngine) else engine
    done: list[int] = []
    with refused("worker-died", where="task 3"):
        engine.run(range(5), partial(shard_cases.die_at, tmp_path, 3), done.append)
    assert 3 not in done
    assert {f"shard-{task}" for task in done} <= {path.name for path in tmp_path.iterdir()}


def test_a_single_task_apart_may_die_too(tmp_path: Path) -> None:
    with refused("worker-died", where="task 3"):
        LocalEngine(1, apart=True).run([3], partial(shard_cases.die_at, tmp_path, 3), print)


class Dies:
    """An engine whose only worker ends within the first task."""

    def run(self, tasks: object, work: object, on_done: object) -> None:
        raise worker_died(0, "its process died")


def test_the_error_of_a_lost_worker_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_bytes(b">a\nACGT\n")
    with refused("worker-died", where="x.fa", fix="leave the file out"):
        prepare([tmp_path / "x.fa"], tmp_path / "out", Settings(), engine=Dies())


def test_ray_tries_a_lost_task_again(ray_engine: Engine, tmp_path: Path) -> None:
    done: list[int] = []
    ray_engine.run(range(3), partial(shard_cases.die_once, tmp_path, 1), done.append)
    assert sorted(done) == [0, 1, 2]


def test_an_unreachable_cluster_is_an_error(tmp_path: Path) -> None:
    command = (
        "from foundation.engines.ray_cluster import RayEngine; from foundation.errors import InputError\n"
        "try: RayEngine('nowhere').run([1], print, print)\n"
        "except InputError as error: print(error.kind, error.where)"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=120, check=True)
    assert "ray-unreachable nowhere" in done.stdout


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with refused("missing-package", fix="[ray]"):
        RayEngine().run([1], print, print)


def test_no_task_and_no_process() -> None:
    LocalEngine(2).run([], print, print)
    with refused("process-count", where="processes"):
        LocalEngine(0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job in the background inherits deafness
    parent = subprocess.Popen([sys.executable, SUPPORT, tmp_path], stderr=subprocess.DEVNULL, preexec_fn=heed)
    wait_until(lambda: len(list(tmp_path.glob("pid-*"))) == 2)
    parent.send_signal(number)
    parent.wait(20)
    assert_gone(tmp_path)
    assert {path.name[:4] for path in tmp_path.iterdir()} == {"pid-"}  # no temporary file


def assert_gone(folder: Path) -> None:
    """That the processes which left their number in `folder` work no more."""
    pids = [path.name.removeprefix("pid-") for path in folder.glob("pid-*")]
    assert pids
    wait_until(lambda: not any("shard_cases" in _command(pid) or "forkserver" in _command(pid) for pid in pids))


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_a_preparation_is_the_same_on_any_engine(
    engine: Engine, tmp_path: Path, write_fasta: Callable[..., Path], contigs: dict[str, bytes]
) -> None:
    genomes = [write_fasta({name: contigs[name]}, f"{name}.fa") for name in list(contigs)[:6]]
    settings = Settings(split=SplitRule(validation_fraction=0.3, seed=2))
    for out, given in (("one", None), ("many", engine)):
        prepare(genomes, tmp_path / out, settings, shard_bytes=1000, engine=given)
    one, many = ({path.name: path.read_bytes() for path in (tmp_path / out).iterdir()} for out in ("one", "many"))
    assert one == many
    assert len([name for name in one if name.startswith("train")]) > 4


def test_shards_of_a_request_on_ray(ray_engine: Engine, tmp_path: Path) -> None:
    """Of inference too: one worker is lost, and the result is whole."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "numbers.json").write_text("[1, 2, 3, 4, 5, 6, 7, 8, 9]")
    request = ToyRequest(
        model=tmp_path / "model", source=tmp_path / "numbers.json", out=tmp_path / "out.json", killed=(5,)
    )  # fmt: skip
    assert run_everywhere(request, ray_engine, 3).result == [1, 4, 9, 16, 25, 36, 49, 64, 81]


def test_a_ray_address_where_nothing_listens_is_refused_at_once() -> None:
    """Ray 2 tries for 14 minutes. A port of this machine, by both spellings, and a name that is none."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{free.getsockname()[1]}"
    for address in (dead, f"ray://{dead}", "nowhere.invalid:6379"):
        began = time.monotonic()
        with pytest.raises(InputError) as refused:
            check_reachable(address)
        assert (refused.value.kind, refused.value.where) == ("ray-unreachable", address)
        assert time.monotonic() - began < 30
    check_reachable(None)
    check_reachable("auto")


def test_the_command_refuses_a_dead_ray_address(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    (tmp_path / "a.fa").write_text(">a\n" + "ACGT" * 100)
    program = Path(sys.executable).with_name("genomic-llama")
    engine = ("--engine", "ray", "--ray-address", "127.0.0.1:9")
    command = [program, "prepare", tmp_path / "a.fa", "--out", tmp_path / "corpus", *engine]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 1
    assert "127.0.0.1:9: no Ray cluster answers" in refused.stderr
