"""A suite in shards has the results of an uncut one; only the times at which they were measured differ."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from evaluation.sharding.run import run_merge, run_shard
from evaluation.sharding.shard import Shard
from evaluation.suite import runner
from evaluation.suite.config import read_suite
from evaluation.suite.request import EvaluateRequest
from evaluation.suite.result import read_evaluation
from evaluation.suite.runner import evaluate_models
from genomic_llama.cli.main import app

pytestmark = [pytest.mark.fast, pytest.mark.usefixtures("tiny_model")]


@pytest.fixture
def request_(suite_file: Path, tiny_directory: Path, tmp_path: Path) -> EvaluateRequest:
    lines = [line for line in suite_file.read_text().splitlines() if not line.startswith("probes")]  # which take long
    suite_file.write_text("\n".join(lines))
    models = [Path(shutil.copytree(tiny_directory, tmp_path / "run" / f"step={step}")) for step in (1, 2)]
    return EvaluateRequest(models=tuple(models), suite=suite_file, out=tmp_path / "out")


def results(out: Path) -> dict[str, Any]:
    """Of each file of `out` all but times."""
    found = {}
    for path in sorted(out.glob("*.json")):
        one = read_evaluation(path)
        timeless = (dataclasses.replace(task, created="", seconds=0.0) for task in one.tasks)
        found[path.name] = dataclasses.replace(one, tasks=tuple(timeless))
    return found


def shards(request: EvaluateRequest, count: int) -> list[Path]:
    return [run_shard(request, Shard(number=number, count=count), device="cpu") for number in range(1, count + 1)]


def test_any_number_of_shards_and_killed_ones(
    request_: EvaluateRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate_models(request_.models, read_suite(request_.suite), request_.suite, tmp_path / "whole", "float32")
    whole = results(tmp_path / "whole")
    for count in (1, 7):
        timed = run_merge(request_, shards(request_, count))
        assert results(request_.out) == whole
        assert sorted(path.name for path in timed.files) == ["index.html", *sorted(whole)]
        assert all(path.exists() for path in timed.files)
        shutil.rmtree(request_.out)
    real, deaths = runner.run_task, [1, 3]

    def dying(*arguments: Any, **options: Any) -> Any:
        deaths[:] = [left - 1 for left in deaths]
        if 0 in deaths:
            deaths.remove(0)
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(runner, "run_task", dying)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            shards(request_, 3)
    run_merge(request_, shards(request_, 3))
    assert not deaths
    assert results(request_.out) == whole


def test_what_the_directory_has_is_not_run_again(request_: EvaluateRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    run_merge(request_, shards(request_, 1))
    before = {path: path.read_bytes() for path in request_.out.glob("*.json")}
    monkeypatch.setattr(runner, "run_task", None)
    run_merge(request_, shards(request_, 2))
    assert {path: path.read_bytes() for path in request_.out.glob("*.json")} == before


def test_a_suite_that_changed_since(request_: EvaluateRequest) -> None:
    parts = shards(request_, 2)
    request_.suite.write_text(request_.suite.read_text().replace("batch_size: 4", "batch_size: 3"))
    with refused("parts-of-another-input", where=parts[0].name, names="suite"):
        run_merge(request_, parts)


def test_the_folder_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path / "results")
    assert Shard(number=1, count=2).part(Path()) == tmp_path / "results.1-of-2.part"


def test_one_process_takes_over_the_shards_of_a_killed_run(
    request_: EvaluateRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    one, _ = shards(request_, 2)
    folder = request_.out.with_name(".out.shards")
    folder.mkdir()
    one.rename(folder / one.name)
    words = ["evaluate", str(request_.suite), *map(str, request_.models), "--out", str(request_.out)]
    app(words, standalone_mode=False)
    assert "already finished: 1 of 2 shards" in capfd.readouterr().err
    assert not folder.exists()
    assert len(results(request_.out)) == len(request_.models)
