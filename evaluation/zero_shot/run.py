"""The suite on several models: each task once, from where an interrupted run was.

A result is known by its receipt, which is of all that decides it: the weights, the content of the data, the task and
the software. What is finished is not done again, and what has changed is.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from configs.llama import read_architecture
from evaluation.causal_lm.model import CausalLM, check_built_in, is_other, load_causal_lm, parameters_of
from evaluation.digest import identify, versions
from evaluation.finished import Work
from evaluation.likelihood.model import check_directory, check_language_model, load_model
from evaluation.zero_shot.context import Context, journal_path
from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.kinds import check_task, run_task
from evaluation.zero_shot.result import (
    Found,
    TaskResult,
    items_path,
    model_folder,
    read_result,
    result_path,
    write_items,
    write_result,
)
from foundation.atomic import check_writable
from foundation.errors import InputError, described
from foundation.terminal import warn
from foundation.typed import to_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_models(models: Sequence[Path], out: Path) -> None:
    """What can be known to be wrong before anything is read. Errors: `InputError`."""
    folders: dict[Path, Path] = {}
    for model in models:
        if is_other(model):
            check_built_in(model)
        else:
            check_directory(model)
            check_language_model(model)
        if (first := folders.setdefault(model_folder(out, model), model)) != model:
            fix = "Name each model once. Evaluate models of the same name separately."
            raise InputError(
                f"its results would be with those of {first}", where=model, fix=fix, kind="model-name-twice"
            )
        check_writable(result_path(model_folder(out, model), "task"), given=out)
        _check_same_model(model, model_folder(out, model))


def _check_same_model(model: Path, folder: Path) -> None:
    """Errors: `InputError` where `folder` has results of another model, at another place."""
    for path in sorted(folder.glob("*.json")):
        known = read_result(path)
        moved = os.path.abspath(known.model) != os.path.abspath(model)
        if moved and known.weights != identify(model).weights:
            problem = f"its results would replace those of {known.model}, whose path ends alike"
            raise InputError(problem, where=model, fix="Give another --out.", kind="model-name-twice")


def evaluate(
    models: Sequence[Path], tasks: Sequence[TaskData], out: Path, *, dtype: str, batch_size: int | None = None
) -> int:
    """Write the result of each model on each task whose data are present; return how many failed.

    A task that fails is written as a failure, and the others are run.
    """
    ready = [task for task in tasks if not task.missing]
    for task in ready:
        check_task(task.spec)
    failures = 0
    for model in models:
        load = cache(lambda model=model: _load(model, dtype))
        for number, task in enumerate(ready, start=1):
            place = f"{model}: {task.spec.name} ({number} of {len(ready)})"
            failures += not _finish(model, task, out, dtype, batch_size, load, place)
    return failures


def _load(model: Path, dtype: str) -> "PreTrainedModel | CausalLM":
    """A model of our 256 ids, or any causal model with its own tokenizer."""
    return load_causal_lm(model, dtype) if is_other(model) else load_model(model, dtype)


def work_of(model: Path, task: TaskData, out: Path, dtype: str) -> Work:
    """All that decides a result, and its files."""
    folder = model_folder(out, model)
    spec = to_json(replace(task.spec, published=(), seen="", citation="", source="", files=()))
    return Work(
        command="evaluate zero-shot",
        model=model,
        sources={f"{number} {path.name}": path for number, path in enumerate(task.found)},
        settings={"task": spec, "dtype": dtype},
        files=[result_path(folder, task.spec.name), items_path(folder, task.spec.name)],
    )


def _finish(
    model: Path,
    task: TaskData,
    out: Path,
    dtype: str,
    batch_size: int | None,
    load: "Callable[[], PreTrainedModel | CausalLM]",
    place: str,
) -> bool:
    """True where there is a result, of this run or of an earlier one."""
    work, folder = work_of(model, task, out, dtype), model_folder(out, model)
    if work.finished() is not None:
        warn(f"{place}: finished earlier")
        journal_path(folder, task.spec.name).unlink(missing_ok=True)  # of a run that was killed right after its receipt
        return True
    warn(place)
    try:
        task.check()
        context = Context(
            model=load(), directory=model, data=task, folder=folder, dtype=dtype, batch_size=batch_size
        )  # fmt: skip
        found = run_task(context)
    except (InputError, OSError) as error:
        problem = described(error)
        warn(f"{model}: {task.spec.name} failed: {problem}")
        write_result(_result(model, task, dtype, Found(measures=(), items={}), failed=problem), folder)
        return False
    write_items(found.items, items_path(folder, task.spec.name))
    write_result(_result(model, task, dtype, found), folder)
    work.finish()
    context.journal.unlink(missing_ok=True)
    return True


def _result(model: Path, task: TaskData, dtype: str, found: Found, failed: str | None = None) -> TaskResult:
    identity = identify(model)
    return TaskResult(
        task=task.spec.name,
        title=task.spec.title,
        model=str(model),
        weights=identity.weights or "",
        run=identity.run,
        step=identity.step,
        parameters=parameters_of(model) if is_other(model) else read_architecture(model).parameters,
        dtype=dtype,
        versions=versions(),
        measures=tuple(found.measures),
        left_out=dict(found.left_out),
        notes=tuple(found.notes),
        failed=failed,
    )
