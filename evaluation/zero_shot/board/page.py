"""The page of a leaderboard: one table, then a section per task with a picture, and what failed and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.zero_shot.board.leaderboard import Leaderboard, TaskBoard
from evaluation.zero_shot.result import Measure
from foundation.pages.figure import ACCENT, BAR, INK, MUTED, canvas, to_svg
from foundation.pages.page import render_page
from foundation.pages.quantities import exact, plural
from foundation.terminal import printable

if TYPE_CHECKING:
    from markupsafe import Markup

_TEMPLATE = Path(__file__).parent / "templates" / "leaderboard.html.j2"
_LETTERS = 24  # of a name beside a figure


def render_leaderboard(board: Leaderboard) -> str:
    """The page as HTML."""
    shown = [task for task in board.tasks if task.ours]
    failed = [(task, one) for task in board.tasks for one in task.failures]
    missing = [task for task in board.tasks if task.missing and not task.ours]
    return render_page(_TEMPLATE, {
        "title": "Published tasks",
        "answer": _answer(shown, board),
        "subtitle": f"{plural(len(board.models), 'model')}, {len(shown)} of {plural(len(board.tasks), 'task')}",
        "models": board.models,
        "overview": [_overview(task, board) for task in shown],
        "sections": [_section(task) for task in shown],
        "failed": [{"task": task.title, "model": one.model, "problem": one.problem} for task, one in failed],
        "missing": [{"task": task.title, "files": task.missing} for task in missing],
    })  # fmt: skip


def _answer(shown: list[TaskBoard], board: Leaderboard) -> str:
    """What the page says, in one sentence."""
    won = {
        model.name: sum(one is not None and _beats(one) for one in (task.headlines(model.name) for task in shown))
        for model in board.models
    }
    if not shown or not won:
        return "No task has a result."
    best = max(won, key=lambda name: won[name])
    others = "" if len(won) == 1 else f", the most of {len(won)} models"
    return (
        f"{best} beats chance, or the baseline, in the headline of {won[best]} of {plural(len(shown), 'task')}{others}."
    )


def format_headlines(board: Leaderboard) -> tuple[dict[str, str], list[tuple[str, ...]]]:
    """The headlines as a table of text: its columns, and its rows."""
    columns = {
        "task": "left",
        "measure": "left",
        **{model.name: "right" for model in board.models},
        "published": "right",
    }
    rows = []
    for task in board.tasks:
        if task.ours:
            found = _overview(task, board)
            cells = [f"{one['value']} {_bracketed(one['interval'])}".rstrip() for one in found["cells"]]
            best = f"{found['published']} {found['published_model']}".strip()
            rows.append((task.name, found["metric"], *cells, best))
    return columns, rows


def _bracketed(text: str) -> str:
    return f"({text})" if text else ""


def _overview(task: TaskBoard, board: Leaderboard) -> dict[str, Any]:
    cells = [task.headlines(model.name) for model in board.models]
    first = next(one for one in cells if one is not None)
    best = [one for one in task.published if (one.metric, one.part) == first.key]
    pick = max if first.better == "higher" else min
    top = pick(best, key=lambda one: one.value) if best else None
    return {
        "title": task.title,
        "metric": first.metric,
        "chance": "" if first.chance is None else f"{first.chance:.3f}",
        "chance_name": "" if first.chance is None else first.chance_name,
        "cells": [_cell(one) for one in cells],
        "published": f"{top.value:.3f}" if top else "",
        "published_model": top.model if top else "",
    }


def _cell(one: Measure | None) -> dict[str, str]:
    if one is None:
        return {"value": "", "interval": "", "mood": ""}
    return {"value": f"{one.value:.3f}", "interval": _interval(one), "mood": "" if _beats(one) else "bad"}


def _interval(one: Measure) -> str:
    if one.low is not None and one.high is not None:
        return f"{one.low:.3f} to {one.high:.3f}"
    return f"± {one.error:.3f}" if one.error is not None else ""


def _beats(one: Measure) -> bool:
    if one.chance is None:
        return True
    return one.value > one.chance if one.better == "higher" else one.value < one.chance


def _section(task: TaskBoard) -> dict[str, Any]:
    left_out = [f"{count:,} left out: {why}" for row in task.ours for why, count in row.left_out.items()]
    return {
        "title": task.title,
        "citation": task.citation,
        "seen": task.seen,
        "figure": _figure(task),
        "notes": list(dict.fromkeys(note for row in task.ours for note in row.notes)),
        "left_out": list(dict.fromkeys(left_out)),
        "rows": [*_ours(task), *_published(task)],
        "differences": [
            {"pair": f"{one.first} less {one.second}", "metric": one.metric, "value": f"{one.value:+.4f}",
             "interval": "" if one.low is None or one.high is None else f"{one.low:+.4f} to {one.high:+.4f}",
             "p": "" if one.p is None else f"{one.p:.2g}", "test": one.test}
            for one in task.differences
        ],
    }  # fmt: skip


def _ours(task: TaskBoard) -> list[dict[str, Any]]:
    return [
        {"ours": True, "model": row.model, "metric": one.metric, "part": one.part, "value": f"{one.value:.4f}",
         "interval": _interval(one), "count": exact(one.count) if one.count else "",
         "positives": "" if one.positives is None else exact(one.positives),
         "source": f"{exact(one.clusters)} resampled" if one.clusters else ""}
        for row in task.ours for one in row.measures
    ]  # fmt: skip


def _published(task: TaskBoard) -> list[dict[str, Any]]:
    return [
        {"ours": False, "model": one.model, "metric": one.metric, "part": one.part, "value": f"{one.value:.4f}",
         "interval": "" if one.error is None else f"± {one.error:.4f}", "count": "", "positives": "",
         "source": f"{one.source}{f'; protocol: {one.protocol}' if one.protocol else ''}"}
        for one in task.published
    ]  # fmt: skip


def _figure(task: TaskBoard) -> "Markup":
    """The headline: a filled point with its interval for each model of ours, a hollow one for what is published."""
    from markupsafe import Markup

    first = task.ours[0].measures[0]
    points = [(row.model, row.measures[0], True) for row in task.ours]
    published = [one for one in task.published if (one.metric, one.part) == first.key]
    points += [(one.model, Measure(metric=one.metric, value=one.value, error=one.error), False) for one in published]
    points.sort(key=lambda point: point[1].value)
    figure, axes = canvas(height=1.0 + 0.34 * len(points), width=0.62)
    axes.set_position((0.3, axes.get_position().y0, 0.62, axes.get_position().height))
    axes.grid(visible=False, axis="y")
    for place, (_, one, own) in enumerate(points):
        low, high = (one.low, one.high) if one.low is not None else (None, None)
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=ACCENT, linewidth=2)
        face = ACCENT if own else "none"
        axes.plot([one.value], [place], "o", markersize=7, color=ACCENT if own else BAR, markerfacecolor=face)
        axes.annotate(f"{one.value:.3f}", (one.value, place), (0, 7), textcoords="offset points", ha="center",
                      fontsize=8.5, color=INK if own else MUTED)  # fmt: skip
    if first.chance is not None:
        axes.axvline(first.chance, color=MUTED, linewidth=1, dashes=(4, 3))
    axes.set_yticks(range(len(points)), [_cut(f"{name}{'' if own else ' (published)'}") for name, _, own in points])
    axes.set_ylim(-0.6, len(points) - 0.2)
    axes.margins(x=0.08)
    axes.set_xlabel(f"{first.metric}; dashed: {first.chance_name}" if first.chance is not None else first.metric)
    return Markup(to_svg(figure, f"task-{task.name}", f"{first.metric} of {printable(task.title)}"))


def _cut(name: str) -> str:
    name = printable(name)
    head, tail = _LETTERS // 2 - 1, _LETTERS // 2
    return (name if len(name) <= _LETTERS else f"{name[:head]}…{name[-tail:]}").replace("$", r"\$")
