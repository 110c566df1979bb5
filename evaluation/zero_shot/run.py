"""The suite on several models: each task once, from where an interrupted run was.

A result is known by its receipt, which is of all that decides it: the weights, the content of the data, the task and
the software. What is finished is not done again, and what has changed is.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    items_table,
    model_folder,
    read_result,
    result_path,
    write_items,
    write_result,
)
from evaluation.zero_shot.spec import TaskSpec
from foundation.atomic import check_writable
from foundation.errors import InputError, described
from foundation.terminal import warn
from foundation.typed import to_json

if TYPE_CHECKING:
    from typing import TypeAlias

    from transformers import PreTrainedModel

    AnyModel: TypeAlias = PreTrainedModel | CausalLM

COMMAND = "evaluate zero-shot"


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


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One `task` for one `model`; `out` is the folder of all results."""

    model: Path
    task: TaskData
    out: Path
    dtype: str
    batch_size: int | None = None

    @property
    def name(self) -> str:
        """Of the task."""
        return self.task.spec.name

    @property
    def folder(self) -> Path:
        """Of the model's results."""
        return model_folder(self.out, self.model)

    @property
    def files(self) -> list[Path]:
        """The result, and the table of its items."""
        return [result_path(self.folder, self.name), items_path(self.folder, self.name)]

    @property
    def journal(self) -> Path:
        """What the task has so far."""
        return journal_path(self.folder, self.name)

    @cached_property
    def work(self) -> Work:
        """All that decides the result, as it is when first asked, and its files."""
        return Work(
            command=COMMAND,
            model=self.model,
            sources={f"{number} {path.name}": path for number, path in enumerate(self.task.found)},
            settings={"task": decisive(self.task.spec), "dtype": self.dtype},
            files=self.files,
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a task. `items`: their table as a file; None where it failed."""

    result: TaskResult
    items: bytes | None


def decisive(spec: TaskSpec) -> Any:
    """What decides the numbers of a task, as JSON; the content of its files is known by their digests."""
    return to_json(replace(spec, published=(), seen="", citation="", source="", files=()))


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
        load = cache(lambda model=model: load_any(model, dtype))
        for number, task in enumerate(ready, start=1):
            asked = Asked(model=model, task=task, out=out, dtype=dtype, batch_size=batch_size)
            place = f"{model}: {task.spec.name} ({number} of {len(ready)})"
            failures += not _finish(asked, load, place)
    return failures


def load_any(model: Path, dtype: str, device: str | None = None) -> "AnyModel":
    """A model of our 256 ids, or any causal model with its own tokenizer."""
    return load_causal_lm(model, dtype, device=device) if is_other(model) else load_model(model, dtype, device=device)


def parameters(model: Path) -> int:
    """Of a model of either sort."""
    return parameters_of(model) if is_other(model) else read_architecture(model).parameters


def _finish(asked: Asked, load: "Callable[[], AnyModel]", place: str) -> bool:
    """True where there is a result, of this run or of an earlier one."""
    if asked.work.finished() is not None:
        warn(f"{place}: finished earlier")
        asked.journal.unlink(missing_ok=True)  # of a run that was killed right after its receipt
        return True
    warn(place)
    answer = answer_to(asked, load)
    keep(asked, answer)
    return answer.items is not None


def earlier(asked: Asked) -> Answer | None:
    """The answer that an earlier run has written, where nothing that decides it has changed."""
    if asked.work.finished() is None:
        return None
    result, items = asked.files
    return Answer(result=read_result(result), items=items.read_bytes())


def answer_to(asked: Asked, load: "Callable[[], AnyModel]") -> Answer:
    """Run a task; where it fails, that is the answer, and is told."""
    try:
        asked.task.check()
        context = Context(
            model=load(), directory=asked.model, data=asked.task, folder=asked.folder, dtype=asked.dtype,
            batch_size=asked.batch_size,
        )  # fmt: skip
        found = run_task(context)
    except (InputError, OSError) as error:
        problem = described(error)
        warn(f"{asked.model}: {asked.name} failed: {problem}")
        return Answer(result=_result(asked, Found(measures=(), items={}), failed=problem), items=None)
    return Answer(result=_result(asked, found), items=items_table(found.items))


def keep(asked: Asked, answer: Answer) -> None:
    """Write an answer; one that is no failure gets a receipt, and what the task had so far is removed."""
    if answer.items is None:
        write_result(answer.result, asked.folder)
        return
    write_items(answer.items, items_path(asked.folder, asked.name))
    write_result(answer.result, asked.folder)
    asked.work.finish()
    asked.journal.unlink(missing_ok=True)


def _result(asked: Asked, found: Found, failed: str | None = None) -> TaskResult:
    identity, model = identify(asked.model), asked.model
    return TaskResult(
        task=asked.name,
        title=asked.task.spec.title,
        model=str(model),
        weights=identity.weights or "",
        run=identity.run,
        step=identity.step,
        parameters=parameters(model),
        dtype=asked.dtype,
        versions=versions(),
        measures=tuple(found.measures),
        left_out=dict(found.left_out),
        notes=tuple(found.notes),
        failed=failed,
    )
