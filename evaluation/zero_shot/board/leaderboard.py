"""All results of a folder side by side: our rows, published rows, differences of models, and what failed and why."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from evaluation.zero_shot.board.comparing import Compared, compare_items
from evaluation.zero_shot.board.leakage import corpus_of, leakage
from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.result import Measure, TaskResult, items_path, read_items, read_result
from evaluation.zero_shot.spec import Published, TaskSpec
from foundation.atomic import atomic_file
from foundation.typed import to_json

FORMAT = "genomic-llama leaderboard 1"
_MOST_COMPARED = 6  # models, of which all pairs are compared


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One of our models. `name`: short, its own among them; `folder`: of its results.

    `corpus`: what it was trained on, where that is known.
    """

    name: str
    folder: str
    path: str
    weights: str
    run: str | None
    step: int | None
    parameters: int
    dtype: str
    versions: dict[str, str]
    corpus: str | None


@dataclass(frozen=True, kw_only=True)
class OurRow:
    """What a model of ours achieves. `notes` and `left_out`: what a reader of the number has to know."""

    model: str
    measures: tuple[Measure, ...]
    notes: tuple[str, ...]
    left_out: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The headline of one model less that of another on the same items; `test`: how `p` came about."""

    first: str
    second: str
    metric: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    test: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A task that failed on a model."""

    model: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class TaskBoard:
    """One task: `missing` names files that were not there when the page was written."""

    name: str
    title: str
    headline: str
    citation: str
    seen: str
    ours: tuple[OurRow, ...]
    published: tuple[Published, ...]
    differences: tuple[Difference, ...]
    failures: tuple[Failure, ...]
    missing: tuple[str, ...]

    def headlines(self, model: str) -> Measure | None:
        """The headline of one of our models, None where it has none."""
        row = next((one for one in self.ours if one.model == model), None)
        return row.measures[0] if row else None


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Everything that the page shows."""

    models: tuple[ModelRow, ...]
    tasks: tuple[TaskBoard, ...]


def read_leaderboard(out: Path, tasks: Sequence[TaskData]) -> Leaderboard:
    """The results in `out` of the tasks that are shipped or named. Errors: `InputError` for files of another form."""
    folders = sorted(path for path in out.iterdir() if path.is_dir()) if out.is_dir() else []
    found = {folder: _results(folder) for folder in folders}
    found = dict(sorted(((one, results) for one, results in found.items() if results), key=_along_training))
    names = dict(zip(found, _short([folder.name for folder in found]), strict=True))
    models = tuple(_model(names[folder], folder, next(iter(results.values()))) for folder, results in found.items())
    boards = tuple(_board(task, found, names) for task in tasks)
    return Leaderboard(models=models, tasks=boards)


def write_leaderboard(board: Leaderboard, path: Path) -> None:
    """Write it as JSON, of the schema in `configs/evaluation/leaderboard.schema.json`."""
    with atomic_file(path) as temporary:
        content = {"format": FORMAT, "leaderboard": to_json(board)}
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")


def _results(folder: Path) -> dict[str, TaskResult]:
    return {path.stem: read_result(path) for path in sorted(folder.glob("*.json"))}


def _along_training(pair: tuple[Path, dict[str, TaskResult]]) -> tuple[str, int, str]:
    """Checkpoints of a run by their step; other models by name."""
    one = next(iter(pair[1].values()))
    return one.run or "", one.step or 0, pair[0].name


def _short(names: Sequence[str]) -> list[str]:
    """Without what all begin with, up to a dash."""
    parts = [name.split("-") for name in names]
    while len(parts) > 1 and len({tuple(part[:1]) for part in parts}) == 1 and all(len(part) > 1 for part in parts):
        parts = [part[1:] for part in parts]
    return ["-".join(part) for part in parts]


def _model(name: str, folder: Path, one: TaskResult) -> ModelRow:
    corpus = corpus_of(Path(one.model))
    return ModelRow(
        name=name, folder=folder.name, path=one.model, weights=one.weights, run=one.run, step=one.step,
        parameters=one.parameters, dtype=one.dtype, versions=one.versions, corpus=str(corpus) if corpus else None,
    )  # fmt: skip


def _board(task: TaskData, found: dict[Path, dict[str, TaskResult]], names: dict[Path, str]) -> TaskBoard:
    spec = task.spec
    results = {folder: some[spec.name] for folder, some in found.items() if spec.name in some}
    good = {folder: one for folder, one in results.items() if one.failed is None and one.measures}
    ours = tuple(
        OurRow(
            model=names[folder],
            measures=one.measures,
            notes=(*one.notes, *_leakage(folder, one)),
            left_out=one.left_out,
        )
        for folder, one in good.items()
    )
    failures = tuple(
        Failure(model=names[folder], problem=one.failed) for folder, one in results.items() if one.failed is not None
    )
    missing = tuple(f"{task.folder / one.path}  <-  {one.url or 'no address is known'}" for one in task.missing)
    return TaskBoard(
        name=spec.name, title=spec.title, headline=spec.statistics[0], citation=spec.citation, seen=spec.seen,
        ours=ours, published=spec.published, differences=tuple(_differences(spec, good, names)), failures=failures,
        missing=missing,
    )  # fmt: skip


def _leakage(folder: Path, one: TaskResult) -> Iterator[str]:
    """What is known of the task's sequences in the model's corpus, for items that have names."""
    items = read_items(items_path(folder, one.task)) if items_path(folder, one.task).is_file() else {}
    names = {str(name) for column in ("contig", "record") for name in items.get(column, ())}
    if names:
        yield leakage(corpus_of(Path(one.model)), names)


def _differences(spec: TaskSpec, good: dict[Path, TaskResult], names: dict[Path, str]) -> Iterator[Difference]:
    folders = list(good)[:_MOST_COMPARED]
    items = {folder: read_items(items_path(folder, spec.name)) for folder in folders} if len(folders) > 1 else {}
    for first, second in combinations(items, 2):
        found: Compared | None = compare_items(items[first], items[second])
        if found:
            yield Difference(
                first=names[first], second=names[second], metric=found.metric, value=found.value, low=found.low,
                high=found.high, p=found.p, test=found.test,
            )  # fmt: skip
