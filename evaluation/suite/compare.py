"""Several models on one suite, side by side: rows of metrics, columns of models, and a curve over training."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.suite.result import Evaluation, Metric, TaskResult

DAGGER = "†"
FOREIGN = f"{DAGGER} of another suite: other settings or files, so not compared. Evaluate the model on this one."


@dataclass(frozen=True, kw_only=True)
class Row:
    """One metric across models; None where a model has none. `best`: the columns of the best value, all that share it.

    `foreign`: the columns that were measured by another suite, with other settings or files; they are not compared.
    Every column may be the best, which says nothing: see `marked`.
    """

    metric: Metric
    values: tuple[Metric | None, ...]
    best: tuple[int, ...]
    foreign: tuple[int, ...]

    @property
    def compared(self) -> tuple[Metric | None, ...]:
        """`values` without the foreign ones."""
        return tuple(None if index in self.foreign else value for index, value in enumerate(self.values))

    @property
    def marked(self) -> tuple[int, ...]:
        """The columns to mark as the best: none where no model is worse than another."""
        present = sum(value is not None for value in self.compared)
        return self.best if len(self.best) < present else ()


def labels(evaluations: Sequence[Evaluation]) -> list[str]:
    """A short name for each: the end of its path, and the step where it is known."""
    ends = [evaluation.model.rstrip("/").split("/")[-1] for evaluation in evaluations]
    if len(set(ends)) < len(ends):
        ends = ["/".join(evaluation.model.rstrip("/").split("/")[-2:]) for evaluation in evaluations]
    return [
        end if one.step is None or str(one.step) in end else f"{end}, step {one.step:,}"
        for end, one in zip(ends, evaluations, strict=True)
    ]


def compare(evaluations: Sequence[Evaluation]) -> list[Row]:
    """The rows, in the order of the suite."""
    tables = [
        {metric.key: (metric, task) for task in evaluation.tasks for metric in task.metrics}
        for evaluation in evaluations
    ]
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = []
    for key in keys:
        found = {index: table[key] for index, table in enumerate(tables) if key in table}
        protocol = _common([task for _, task in found.values()])
        foreign = tuple(index for index, (_, task) in found.items() if task.protocol != protocol)
        values = tuple(found[index][0] if index in found else None for index in range(len(tables)))
        present = [(index, one) for index, (one, _) in found.items() if index not in foreign]
        pick = min if present[0][1].better == "lower" else max
        top = pick(one.value for _, one in present)
        best = tuple(index for index, one in present if one.value == top)
        rows.append(Row(metric=present[0][1], values=values, best=best, foreign=foreign))
    return rows


def _common(found: Sequence[TaskResult]) -> str:
    """The protocol of most results; on a tie, that of the newest."""
    counts = Counter(one.protocol for one in found)
    return max(found, key=lambda one: (counts[one.protocol], one.created)).protocol


def runs_of(evaluations: Sequence[Evaluation]) -> list[list[int]]:
    """The places of the checkpoints of each run, along training: what a curve may connect.

    A run counts with two checkpoints or more of the same size, whose steps are known and differ.
    """
    runs: dict[tuple[str, int], list[int]] = {}
    for index, one in enumerate(evaluations):
        if one.run is not None and one.step is not None:
            runs.setdefault((one.run, one.parameters), []).append(index)
    return [
        sorted(places, key=lambda index: evaluations[index].step or 0)
        for places in runs.values()
        if len(places) > 1 and len({evaluations[index].step for index in places}) == len(places)
    ]


def in_order(evaluations: Sequence[Evaluation], models: Sequence[str] = ()) -> list[Evaluation]:
    """As `models` names them, after those that it does not; but the checkpoints of a run along training."""
    given = {model: place for place, model in enumerate(models)}
    ordered = sorted(evaluations, key=lambda one: given.get(one.model, -1))
    for run in runs_of(ordered):
        along = [ordered[index] for index in run]
        for slot, one in zip(sorted(run), along, strict=True):
            ordered[slot] = one
    return ordered


def format_comparison(evaluations: Sequence[Evaluation]) -> str:
    """The comparison as text; the best models of a row have a star, unless all are equal.

    Values of another suite have a dagger, and a note below.
    """
    head = ["task", "metric", "baseline", *labels(evaluations)]
    lines = [head]
    for row in compare(evaluations):
        one = row.metric
        baseline = "" if one.baseline is None else f"{one.baseline:.4f} {one.baseline_name}"
        values = [
            "" if value is None else f"{value.value:.4f}{_mark(row, index)}" for index, value in enumerate(row.values)
        ]
        lines.append([f"{one.name} {one.part}".strip(), one.metric, baseline, *values])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    table = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(table + ([FOREIGN] if any(row.foreign for row in compare(evaluations)) else []))


def _mark(row: Row, index: int) -> str:
    return DAGGER if index in row.foreign else "*" if index in row.marked else ""
