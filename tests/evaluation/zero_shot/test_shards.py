"""Published tasks in shards: the directory is that of an uncut run, to the byte, with its receipts and its failures."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from evaluation.sharding.run import run_merge, run_shard
from evaluation.sharding.shard import Shard
from evaluation.zero_shot import run
from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.request import ZeroShotRequest, publish
from evaluation.zero_shot.run import evaluate
from genomic_llama.cli.main import app

pytestmark = [pytest.mark.fast, pytest.mark.usefixtures("suite")]


@pytest.fixture
def request_(folder: Path, model_directory: Path, tmp_path: Path) -> ZeroShotRequest:
    """Two models; two tasks that can be run, and one whose data are missing."""
    models = tuple(Path(shutil.copytree(model_directory, tmp_path / name / "model")) for name in ("one", "two"))
    return ZeroShotRequest(
        models=models, tasks=("brca1", "gue", "bend_disease"), data=folder, out=tmp_path / "out", offline=True
    )


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def shards(request: ZeroShotRequest, count: int) -> list[Path]:
    return [run_shard(request, Shard(number=number, count=count), device="cpu") for number in range(1, count + 1)]


def whole(request: ZeroShotRequest) -> tuple[int, dict[str, bytes]]:
    """Failures and files of a run that is not cut."""
    failures = evaluate(request.models, request.found, request.out, dtype="float32")
    publish(request.out, request.found)
    found = contents(request.out)
    shutil.rmtree(request.out)
    return failures, found


def test_any_number_of_shards_gives_the_same_directory(request_: ZeroShotRequest) -> None:
    failures, expected = whole(request_)
    assert failures == 0
    assert sum(name.endswith(".receipt") for name in expected) == 4
    for count in (1, 2, 3):
        timed = run_merge(request_, shards(request_, count))
        assert contents(request_.out) == expected, count
        assert timed.result[0] == 0
        assert {str(path.relative_to(request_.out)) for path in timed.files} == {
            name for name in expected if not name.endswith(".receipt")
        }
        shutil.rmtree(request_.out)


def test_a_failure_is_a_result_and_what_is_there_is_not_run_again(
    request_: ZeroShotRequest, suite: list[TaskData], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    table = suite[0].own[0]
    table.write_text(table.read_text().replace(",FUNC,", ",WHAT,"))
    failures, expected = whole(request_)
    assert failures == 2
    parts = shards(request_, 2)
    capfd.readouterr()
    assert run_merge(request_, parts).result[0] == 2
    assert capfd.readouterr().err.count("brca1 on ") == 2
    assert contents(request_.out) == expected
    ran, real = list[str](), run.run_task

    def watched(context: Any) -> Any:
        ran.append(context.spec.name)
        return real(context)

    monkeypatch.setattr(run, "run_task", watched)
    for part in parts:
        part.unlink()
    run_merge(request_, shards(request_, 3))
    assert ran == ["brca1", "brca1"]
    assert contents(request_.out) == expected


def test_what_cannot_be_merged_or_begun(request_: ZeroShotRequest, suite: list[TaskData]) -> None:
    from dataclasses import replace

    with refused("data-missing", where=request_.data, fix="gue"):
        replace(request_, offline=False).check()
    parts = shards(request_, 2)
    table = suite[1].own[0]
    table.write_text(table.read_text().rstrip()[:-1] + "1\n")
    with refused("parts-of-another-input", where=parts[0].name, names="of task 'bend_disease'"):
        run_merge(request_, parts)
    assert not list(request_.out.rglob("*.json"))


def test_the_command_computes_shards_and_merge_finds_its_request(
    request_: ZeroShotRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    def call(*words: object) -> str:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False).output

    monkeypatch.chdir(tmp_path)
    tasks = [word for name in request_.tasks for word in ("--task", name)]
    command = ("evaluate", "zero-shot", "one/model", "--data", "data", *tasks, "--offline", "--out", "board")
    told = [call(*command, "--shard", f"{number}/2") for number in (1, 2)]
    assert "genomic-llama merge board board.*-of-2.part" in told[1]
    assert "merged 2 parts" in call("merge", "board", *sorted(tmp_path.glob("board.*.part")))
    merged = contents(tmp_path / "board")
    assert "finished earlier" in call(*command)
    assert contents(tmp_path / "board") == merged
