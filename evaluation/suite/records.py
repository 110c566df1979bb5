"""The records of likelihood tasks on the page of an evaluation: one table per task, a column per model."""

from collections.abc import Sequence
from typing import Any

from evaluation.suite.result import Evaluation, RecordResult, TaskResult
from foundation.pages.quantities import exact

SHOWN_RECORDS = 30


def record_tables(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """A table for each task with two records or more; a model that was measured on others has none in it."""
    tasks: dict[str, list[TaskResult | None]] = {}
    for column, one in enumerate(evaluations):
        for task in one.tasks:
            if task.records:
                tasks.setdefault(task.name, [None] * len(evaluations))[column] = task
    return [table for name, found in tasks.items() if (table := _table(name, found))]


def _table(name: str, found: Sequence[TaskResult | None]) -> dict[str, Any] | None:
    newest = max((task for task in found if task), key=lambda task: task.created)
    if len(newest.records) < 2:
        return None
    columns = [
        {record.name: record for record in task.records} if task and task.protocol == newest.protocol else {}
        for task in found
    ]
    largest = sorted(newest.records, key=lambda record: -record.count)
    return {
        "title": name,
        "more": exact(len(largest) - SHOWN_RECORDS) if len(largest) > SHOWN_RECORDS else "",
        "rows": [_row(record, [column.get(record.name) for column in columns]) for record in largest[:SHOWN_RECORDS]],
    }


def _row(record: RecordResult, found: Sequence[RecordResult | None]) -> dict[str, Any]:
    return {
        "name": record.name,
        "count": exact(record.count),
        "baseline": "" if record.baseline is None else f"{record.baseline:.3f}",
        "cells": [{"value": f"{one.value:.3f}" if one else "none", "mood": _mood(one)} for one in found],
    }


def _mood(one: RecordResult | None) -> str:
    return "bad" if one and one.baseline is not None and one.value >= one.baseline else ""
