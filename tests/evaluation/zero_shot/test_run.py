"""Each result once: resumed after any interruption, and done again when anything that decides it has changed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from evaluation.zero_shot import run
from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.run import check_models, evaluate

TASKS = ("brca1", "bend_disease")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that are run, from now on."""
    real, seen = run.run_task, list[str]()

    def watched(context: Any) -> Any:
        seen.append(context.spec.name)
        return real(context)

    monkeypatch.setattr(run, "run_task", watched)
    return seen


def _contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


STEPS = ("run_task", "write_items", "write_result")


def test_whatever_step_is_interrupted_the_results_are_the_same(
    suite: list[TaskData], model_directory: Path, tmp_path: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after each step of each task, in turn: what is finished is not done again, and the bytes are those."""
    whole = tmp_path / "whole"
    assert evaluate([model_directory], suite, whole, dtype="float32") == 0
    expected, cases = _contents(whole), 0
    for step in STEPS:
        real = getattr(run, step)
        for number in range(len(TASKS)):
            for after in (False, True):
                calls = iter(range(len(TASKS)))

                def interrupted(
                    *arguments: Any, real: Any = real, after: bool = after, calls: Any = calls, number: int = number
                ) -> Any:
                    last = next(calls) == number
                    if last and not after:
                        raise KeyboardInterrupt
                    found = real(*arguments)
                    if last:
                        raise KeyboardInterrupt
                    return found

                out = tmp_path / f"{step}{number}{after}"
                with monkeypatch.context() as patch:
                    patch.setattr(run, step, interrupted)
                    with pytest.raises(KeyboardInterrupt):
                        evaluate([model_directory], suite, out, dtype="float32")
                ran.clear()
                assert evaluate([model_directory], suite, out, dtype="float32") == 0
                assert ran == list(TASKS[number:])
                assert _contents(out) == expected
                cases += 1
    assert cases == 12
    ran.clear()
    assert evaluate([model_directory], suite, whole, dtype="float32") == 0
    assert ran == []


def test_what_has_changed_is_done_again(
    suite: list[TaskData], find: Callable[[str], TaskData], model_directory: Path, tmp_path: Path, ran: list[str]
) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(model_directory, model)

    def again(*expected: str, dtype: str = "float32") -> None:
        ran.clear()
        assert evaluate([model], [find(name) for name in TASKS], out, dtype=dtype) == 0
        assert ran == list(expected)

    again(*TASKS)
    again()
    again(*TASKS, dtype="bfloat16")
    again(*TASKS)
    table = suite[0].own[0]
    table.write_text(table.read_text().replace("LOF,0.0", "LOF,0.7"))
    again("brca1")
    items = next(out.rglob("bend_disease.items.parquet"))
    items.write_bytes(items.read_bytes()[:-1])
    again("bend_disease")
    weights = bytearray((model / "model.safetensors").read_bytes())
    weights[-2] ^= 1
    (model / "model.safetensors").write_bytes(weights)
    again(*TASKS)


def test_a_task_that_fails_does_not_stop_the_others(
    suite: list[TaskData], model_directory: Path, tmp_path: Path, ran: list[str]
) -> None:
    table = suite[0].own[0]
    good = table.read_text()
    table.write_text(good.replace(",FUNC,", ",WHAT,"))
    assert evaluate([model_directory], suite, tmp_path / "out", dtype="float32") == 1
    assert ran == list(TASKS)
    table.write_text(good)
    ran.clear()
    assert evaluate([model_directory], suite, tmp_path / "out", dtype="float32") == 0
    assert ran == ["brca1"]


def test_two_models_of_one_name_are_refused(model_directory: Path, tmp_path: Path) -> None:
    for place in ("a", "b"):
        shutil.copytree(model_directory, tmp_path / place / "run" / "model")
    with refused("model-name-twice", where="b/run/model"):
        check_models([tmp_path / place / "run" / "model" for place in ("a", "b")], tmp_path / "out")


def test_results_of_another_model_whose_path_ends_alike_stay(
    suite: list[TaskData], model_directory: Path, tmp_path: Path
) -> None:
    first, second, out = (tmp_path / place for place in ("a/run/model", "b/run/model", "out"))
    for place in (first, second):
        shutil.copytree(model_directory, place)
    assert evaluate([first], suite[:1], out, dtype="float32") == 0
    check_models([second], out)  # the same model, which was moved
    weights = bytearray((second / "model.safetensors").read_bytes())
    weights[-2] ^= 1
    (second / "model.safetensors").write_bytes(weights)
    with refused("model-name-twice", where="b/run/model", names="a/run/model"):
        check_models([second], out)
    check_models([first], out)
