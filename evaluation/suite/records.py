"""The records of likelihood tasks, and their files, on the page of an evaluation: tables with a column per model."""

from collections.abc import Iterator, Sequence
from typing import Any

from evaluation.suite.result import Evaluation, RecordResult, TaskResult
from foundation.pages.quantities import exact

SHOWN_RECORDS = 30


def record_tables(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """For each task a table of its source files and one of its records, where these are two or more."""
    tasks: dict[str, list[TaskResult | None]] = {}
    for column, one in enumerate(evaluations):
        for task in one.tasks:
            if task.records:
                tasks.setdefault(task.name, [None] * len(evaluations))[column] = task
    return [table for name, found in tasks.items() for table in _tables(name, found)]


def _tables(name: str, found: Sequence[TaskResult | None]) -> Iterator[dict[str, Any]]:
    """A model that was measured on other records has none in them."""
    newest = max((task for task in found if task), key=lambda task: task.created)
    same = [task if task and task.protocol == newest.protocol else None for task in found]
    for title, one in (("Source files", "source file"), ("Records", "record")):
        results: list[tuple[RecordResult, ...]] = [
            () if task is None else task.sources if title == "Source files" else task.records for task in same
        ]
        longest = max(len(column) for column in results)
        shown = sorted(next(column for column in results if len(column) == longest), key=lambda record: -record.count)
        if len(shown) < 2 or (title == "Records" and len(shown) == len(newest.sources)):
            continue
        columns = [{record.name: record for record in column} for column in results]
        yield {
            "title": f"{title} of {name}",
            "one": one,
            "more": exact(len(shown) - SHOWN_RECORDS) if len(shown) > SHOWN_RECORDS else "",
            "rows": [_row(record, [column.get(record.name) for column in columns]) for record in shown[:SHOWN_RECORDS]],
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
