"""The download helper against a server on this machine: sizes, checksums, resuming, and where a token goes."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, serve
from refusal import refused

from evaluation.zero_shot.data import describe_missing, find_data
from evaluation.zero_shot.download import HUB, RECORD, fetch, plan_fetch
from evaluation.zero_shot.spec import SourceFile, TaskSpec

DATA = b"ACGT" * 50_000
SHOWN: list[str] = []


def accept(text: str) -> bool:
    SHOWN.append(text)
    return True


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("corpus.download.files.FIRST_PAUSE", 0.01)
    SHOWN.clear()
    with serve(Hub(files={"set/test.parquet": DATA, "plain.txt": b"small"}, linked=True)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


def _task(*files: SourceFile) -> TaskSpec:
    return TaskSpec(title="t", kind="likelihood", layout="fasta", statistics=("x",), seen="", name="t", files=files)


def _of_hub(path: str = "set/test.parquet", **more: Any) -> SourceFile:
    return SourceFile(path=f"t/{path}", url=f"{HUB}/datasets/o/n/resolve/main/{path}", **more)


def _fetch(folder: Path, *files: SourceFile) -> None:
    assert fetch(plan_fetch(find_data([_task(*files)], folder)), confirm=accept)


def test_a_file_of_the_hub_has_its_size_and_checksum(hub: Hub, tmp_path: Path) -> None:
    _fetch(tmp_path, _of_hub())
    assert (tmp_path / "t/set/test.parquet").read_bytes() == DATA
    assert "200 kB" in SHOWN[0]
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["t/set/test.parquet"]["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert find_data([_task(_of_hub())], tmp_path)[0].missing == []


def test_a_file_of_another_server_is_written_down_with_its_checksum(hub: Hub, tmp_path: Path) -> None:
    hub.linked = False
    _fetch(tmp_path, SourceFile(path="t/plain.txt", url=f"{hub.address}/x/resolve/main/plain.txt"))
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["t/plain.txt"] == {
        "url": f"{hub.address}/x/resolve/main/plain.txt", "size": 5, "sha256": hashlib.sha256(b"small").hexdigest(),
    }  # fmt: skip


def test_a_cut_line_is_resumed(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after["set/test.parquet"] = [70_000, 60_000]
    _fetch(tmp_path, _of_hub())
    assert (tmp_path / "t/set/test.parquet").read_bytes() == DATA
    assert hub.served["set/test.parquet"] == len(DATA)  # no byte twice


def test_other_bytes_than_the_publisher_says_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.sha256["set/test.parquet"] = "0" * 64
    with refused("download-checksum", where="test.parquet.part"):
        _fetch(tmp_path, _of_hub())
    hub.sha256.clear()
    with refused("download-checksum", where="test.parquet.part"):
        _fetch(tmp_path, _of_hub(sha256="1" * 64))  # of the task's file
    assert not (tmp_path / "t/set/test.parquet").exists()


def test_the_token_goes_to_the_hub_alone(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    with serve(Hub(files={"plain.txt": b"small"})) as other:
        _fetch(tmp_path, _of_hub(), SourceFile(path="t/p", url=f"{other.address}/x/resolve/main/plain.txt"))
        assert other.authorizations == {""}
    assert hub.authorizations == {"Bearer secret"}


def test_a_no_fetches_nothing(hub: Hub, tmp_path: Path) -> None:
    plan = plan_fetch(find_data([_task(_of_hub())], tmp_path))
    assert not fetch(plan, confirm=lambda text: False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_named(hub: Hub, tmp_path: Path) -> None:
    with refused("not-on-server", where="resolve/main/none.bed"):
        _fetch(tmp_path, _of_hub("none.bed"))


def test_what_no_program_may_fetch_is_for_the_hand(tmp_path: Path) -> None:
    file = replace(_of_hub(), by_hand=True)
    tasks = find_data([_task(file, SourceFile(path="t/unknown"))], tmp_path)
    plan = plan_fetch(tasks)
    assert (plan.files, [one.path for one in plan.by_hand]) == ((), ["t/set/test.parquet", "t/unknown"])
    lines = "\n".join(describe_missing(tasks))
    assert str(tmp_path / "t/set/test.parquet") in lines
    assert "by hand" in lines
    assert "no address is known" in lines
