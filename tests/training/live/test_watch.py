"""A watcher evaluates each checkpoint of a run once, however often it is started, and lives with what a run does."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from evaluation.report.evaluations import LINES, read_lines
from evaluation.suite.result import read_evaluation
from evaluation.watching import watch as watching
from evaluation.watching.run import has_ended, sealed_checkpoints
from evaluation.watching.watch import Watch, watch

pytestmark = pytest.mark.nemo


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("suite"), context=64)


def written(folder: Path, *, context: int) -> Path:
    """A suite of one task, whose settings decide its protocol."""
    (folder / "g.fa").write_text(">c\n" + "ACGTTGCAAGGCTGACGG" * 9 + "\n")
    path = folder / "small.yaml"
    path.write_text(f"likelihood: [{{name: made up, source: {folder}/g.fa, context_length: {context}}}]\n")
    return path


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A run with checkpoints of steps 3 and 6, of 6 steps."""
    return Path(shutil.copytree(whole, tmp_path / "run", symlinks=True))


def what(run: Path, suite: Path, **more: Any) -> Watch:
    return Watch(run=run, suite=suite, out=run / "evaluation", dtype="float32", **more)


def steps_of(run: Path) -> list[int]:
    return [line["step"] for line in read_lines(run / "evaluation" / LINES)]


def no_sleep(seconds: float) -> None:
    pytest.fail("it waits, and the run is at its end")


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_every_checkpoint_once(run: Path, suite: Path) -> None:
    """To the end of the run; again, nothing; a line that a kill prevented is written from the result."""
    assert watch(what(run, suite), sleep=no_sleep) == 2
    assert steps_of(run) == [3, 6]
    results = [read_evaluation(path) for path in sorted((run / "evaluation").glob("run-step=*.json"))]
    assert [one.step for one in results] == [3, 6]
    assert [one.model for one in results] == [str(run / "checkpoints" / f"step={step}") for step in (3, 6)]
    assert len({one.run for one in results}) == 1
    lines = read_lines(run / "evaluation" / LINES)
    assert list(lines[0]["evaluation"]) == ["made up/bits_per_base"]
    assert lines[1]["evaluation"]["made up/bits_per_base"] == results[1].metrics[0].value
    found = scalars(run / "evaluation" / "tensorboard", "evaluation/made up/bits_per_base")
    assert found == [(line["step"], pytest.approx(line["evaluation"]["made up/bits_per_base"])) for line in lines]
    assert not (run / "evaluation" / ".converted").exists()
    created = [one.created for one in results]
    assert watch(what(run, suite), sleep=no_sleep) == 0
    log = run / "evaluation" / LINES
    log.write_text(log.read_text().splitlines()[0] + "\n")
    assert watch(what(run, suite), sleep=no_sleep) == 0
    assert read_lines(log) == lines
    assert [read_evaluation(path).created for path in sorted((run / "evaluation").glob("run*.json"))] == created


def test_a_changed_suite_is_evaluated_again(run: Path, tmp_path: Path) -> None:
    path = written(tmp_path, context=64)
    shutil.rmtree(run / "checkpoints" / "step=3")
    assert watch(what(run, path, once=True)) == 1
    written(tmp_path, context=32)
    assert watch(what(run, path, once=True)) == 1
    assert steps_of(run) == [6, 6]


def test_it_waits_for_what_comes(run: Path, suite: Path) -> None:
    """Step 6 comes while it waits; an unfinished checkpoint is none; then the run is at its end."""
    later, log = run.parent / "later", run / "metrics.jsonl"
    (run / "checkpoints" / "step=6").rename(later)
    (run / "checkpoints" / "step=5").mkdir()
    text = log.read_text()
    log.write_text("".join(line for line in text.splitlines(keepends=True) if json.loads(line)["step"] < 5))
    seen = []

    def sleep(seconds: float) -> None:
        seen.append(steps_of(run))
        if len(seen) == 2:
            later.rename(run / "checkpoints" / "step=6")
        if len(seen) == 3:
            log.write_text(text)

    assert watch(what(run, suite, poll=5), sleep=sleep) == 2
    assert seen == [[3], [3], [3, 6]]


def test_a_checkpoint_that_is_removed_while_it_is_read(
    run: Path, suite: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As the run does it: renamed, then removed. The next one is evaluated."""
    real = watching.convert

    def convert(source: Path, *arguments: Any, **more: Any) -> Any:
        if source.name == "step=3":
            shutil.rmtree(source.rename(source.with_name(".step=3.removing")))
        return real(source, *arguments, **more)

    monkeypatch.setattr(watching, "convert", convert)
    assert watch(what(run, suite), sleep=no_sleep) == 1
    assert steps_of(run) == [6]
    assert "was removed by the run" in capfd.readouterr().err


def test_results_of_another_run_are_refused(run: Path, suite: Path, tmp_path: Path) -> None:
    watch(what(run, suite, once=True))
    path = run / "evaluation" / "run-step=3.json"
    text = path.read_text()
    identity = read_evaluation(path).run
    assert identity
    path.write_text(text.replace(identity, "0" * 16))
    with refused("results-of-another-run", where=path.name):
        watch(what(run, suite, once=True))


def test_what_cannot_be_watched_is_refused(run: Path, suite: Path, tmp_path: Path) -> None:
    with refused("no-such-directory", where="none"):
        watch(what(tmp_path / "none", suite))
    with refused("not-a-run", where=tmp_path.name):
        watch(what(tmp_path, suite))
    (tmp_path / "bad.yaml").write_text("recall: [{distances: [3]}]\n")
    with refused("distance-too-short"):
        watch(what(run, tmp_path / "bad.yaml"))


def test_when_a_run_is_at_its_end(run: Path) -> None:
    assert "6 steps" in has_ended(run)
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("max_steps: 6", "max_steps: 60"))
    assert has_ended(run) == ""
    stop = {"time": 4e9, "job": "", "attempt": "a", "reason": "a guard", "step": 6, "status": 65, "requeue": True}
    (run / "stops.jsonl").write_text(json.dumps(stop) + "\n")
    assert has_ended(run) == ""
    (run / "stops.jsonl").write_text(json.dumps(stop | {"requeue": False}) + "\n")
    assert "a guard" in has_ended(run)
    (run / "stops.jsonl").write_text(json.dumps(stop | {"requeue": False, "time": 1.0}) + "\n")
    assert has_ended(run) == ""  # it was started again since
    assert [one.step for one in sealed_checkpoints(run)] == [3, 6]
    assert has_ended(run / "none") == ""
