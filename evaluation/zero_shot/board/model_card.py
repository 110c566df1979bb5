"""Results for a model card, in the Hub's convention: the `model-index` of its YAML header, and a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluation.zero_shot.board.leaderboard import Leaderboard, ModelRow, TaskBoard

NAME = "model_card.md"


def model_card(board: Leaderboard, model: ModelRow) -> str:
    """The Markdown of one model; "" where no task has a result of it."""
    import yaml  # type: ignore[import-untyped]

    results = [one for task in board.tasks if (one := _result(task, model.name))]
    if not results:
        return ""
    header = {"model-index": [{"name": model.name, "results": results}]}
    lines = ["---", yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000).rstrip(), "---", ""]
    lines += ["| task | metric | value | 95% interval | published |", "| --- | --- | ---: | --- | --- |"]
    lines += [line for task in board.tasks for line in _lines(task, model.name)]
    return "\n".join(lines) + "\n"


def card_path(out: Path, model: ModelRow) -> Path:
    """Where the card of a model goes."""
    return out / model.folder / NAME


def _result(task: TaskBoard, model: str) -> dict[str, Any] | None:
    row = next((one for one in task.ours if one.model == model), None)
    if row is None:
        return None
    metrics = [
        {"type": one.metric.lower().replace(" ", "_"), "value": round(one.value, 6),
         "name": f"{one.metric} {one.part}".strip()}
        for one in row.measures
    ]  # fmt: skip
    return {
        "task": {"type": "text-generation", "name": "DNA, zero-shot"},
        "dataset": {"type": task.name, "name": task.title},
        "metrics": metrics,
    }


def _lines(task: TaskBoard, model: str) -> Iterator[str]:
    one = task.headlines(model)
    if one is None:
        return
    interval = "" if one.low is None or one.high is None else f"{one.low:.3f} to {one.high:.3f}"
    best = [other for other in task.published if (other.metric, other.part) == one.key]
    published = ", ".join(f"{other.model} {other.value:.3f}" for other in best[:3])
    yield f"| {task.title} | {one.metric} | {one.value:.3f} | {interval} | {published} |"
