"""What `evaluate zero-shot` is asked for, and the job that it is where it is cut: a task of a model is a unit."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation.finished import Work
from evaluation.sharding.job import Compute, Payload, Results
from evaluation.sharding.model_tasks import ModelTask, ModelTasks
from evaluation.zero_shot.board.leaderboard import Leaderboard, read_leaderboard, write_leaderboard
from evaluation.zero_shot.board.model_card import card_path, model_card
from evaluation.zero_shot.board.page import render_leaderboard
from evaluation.zero_shot.data import TaskData, describe_missing, find_data
from evaluation.zero_shot.kinds import check_task
from evaluation.zero_shot.result import TaskResult
from evaluation.zero_shot.run import (
    COMMAND,
    Answer,
    Asked,
    answer_to,
    check_models,
    decisive,
    earlier,
    keep,
    load_any,
    parameters,
)
from evaluation.zero_shot.spec import read_tasks
from foundation.errors import InputError
from foundation.pages.page import write_texts
from foundation.pages.quantities import plural
from foundation.terminal import warn
from foundation.typed import from_json, to_json

if TYPE_CHECKING:
    from evaluation.zero_shot.run import AnyModel

PAGE, BOARD = "index.html", "leaderboard.json"


@dataclass(frozen=True, kw_only=True)
class ZeroShotRequest:
    """The `tasks`, names or files, none for all that are shipped, on each of `models`; `data` is the folder of theirs.

    `out`: the directory of all results. `offline`: leave out tasks whose data are missing.
    """

    models: tuple[Path, ...]
    data: Path
    out: Path
    tasks: tuple[str, ...] = ()
    offline: bool = False
    dtype: str = "float32"
    batch_size: int | None = None

    command = COMMAND
    journal = None

    @property
    def found(self) -> list[TaskData]:
        """The tasks, with what there is of their data now. Errors: `InputError`."""
        return find_data(read_tasks(self.tasks), self.data)

    def at(self, out: Path) -> "ZeroShotRequest":
        """The same, written into `out`."""
        return replace(self, out=out)

    def check(self) -> None:
        """Errors: `InputError` for what can be known to be wrong before a model is loaded."""
        found = self.found
        for task in found:
            check_task(task.spec)
        missing = [task for task in found if task.missing]
        if missing and not self.offline:
            lines = "\n".join(describe_missing(missing))
            fix = f"Give --offline to run the rest, --download to download them, or put them there:\n{lines}"
            raise InputError(
                f"no data for {plural(len(missing), 'task')}", where=self.data, fix=fix, kind="data-missing"
            )
        check_models(self.models, self.out)

    def made(self, *, overwrite: bool = False) -> Work:
        """What decides the results. They have no receipt together: each has one of its own."""
        ready = [task for task in self.found if not task.missing]
        read = {f"model {number}": model for number, model in enumerate(self.models[1:], start=2)}
        for task in ready:
            read |= {f"{path.relative_to(self.data)} of task {task.spec.name!r}": path for path in task.found}
        return Work(
            command=self.command,
            model=self.models[0],
            sources=read,
            settings={"task": [decisive(task.spec) for task in ready], "dtype": self.dtype},
            files=[],
            overwrite=overwrite,
        )

    def open(self) -> "ZeroShotJob":
        """Its job."""
        return ZeroShotJob(self)


class ZeroShotJob(ModelTasks):
    """Tasks of models. One whose result is in the directory is not run again."""

    def __init__(self, request: ZeroShotRequest) -> None:
        self._request, self._found = request, request.found
        self._ready = [task for task in self._found if not task.missing]
        sizes = [parameters(model) for model in request.models]
        super().__init__("Evaluating published tasks", sizes, [task.found for task in self._ready])

    def load(self, device: str | None) -> Compute[ModelTask]:
        """A model is loaded when its first task is run."""

        def loaded(number: int) -> "AnyModel":
            return load_any(self._request.models[number], self._request.dtype, device)

        def run(item: ModelTask, model: "Callable[[], AnyModel]") -> Payload:
            asked = self._asked(item)
            return _payload(earlier(asked) or answer_to(asked, model))

        return self.one_by_one(loaded, run)

    def finish(self, results: Results[ModelTask]) -> tuple[tuple[int, Leaderboard], Sequence[Path]]:
        """Write all results and the pages; how many tasks failed, and what the page shows."""
        written, failed = [], []
        for [item], payload in results:
            asked, answer = self._asked(item), _answer(payload)
            if answer.items is None:
                failed.append(f"{asked.name} on {asked.model}")
            if earlier(asked) is None:
                keep(asked, answer)
            written += asked.files if answer.items is not None else asked.files[:1]
        if failed:
            named = ", ".join(failed)
            warn(f"{plural(len(failed), 'task')} failed: {named}; the command without --shard runs them again")
        board, pages = publish(self._request.out, self._found)
        return (len(failed), board), [*written, *pages]

    def _asked(self, item: ModelTask) -> Asked:
        whole = self._request
        return Asked(
            model=whole.models[item.model], task=self._ready[item.task], out=whole.out, dtype=whole.dtype,
            batch_size=whole.batch_size,
        )  # fmt: skip


def publish(out: Path, tasks: Sequence[TaskData]) -> tuple[Leaderboard, list[Path]]:
    """Write the page of all results in `out`, its JSON, and a card per model; what it shows, and the files."""
    board = read_leaderboard(out, tasks)
    cards = {card_path(out, model): text for model in board.models if (text := model_card(board, model))}
    write_texts({out / PAGE: render_leaderboard(board), **cards})
    write_leaderboard(board, out / BOARD)
    return board, [out / PAGE, out / BOARD, *cards]


def _payload(answer: Answer) -> Payload:
    """The contents of both files; of a failure there is but one."""
    contents = {"result": json.dumps(to_json(answer.result)).encode()}
    if answer.items is not None:
        contents["items"] = answer.items
    return {name: np.frombuffer(content, dtype=np.uint8) for name, content in contents.items()}


def _answer(payload: Payload) -> Answer:
    result = from_json(TaskResult, json.loads(payload["result"].tobytes()), "a part")
    return Answer(result=result, items=payload["items"].tobytes() if "items" in payload else None)
