"""Labels beside a figure, and ticks below it, that do not touch whatever there is to show."""

import re
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.report.figures import label_right
from evaluation.suite.compare import compare
from evaluation.suite.figures import metric_figures, recall_curve
from evaluation.suite.result import Evaluation, Metric, TaskResult
from foundation.pages.figure import INK, canvas, to_svg


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=24))
def test_labels_stay_beside_the_axes_and_apart(values: list[float]) -> None:
    _, axes = canvas(height=3.4)
    axes.set_ylim(0, 1)
    label_right(axes, [(value, f"{number}", INK) for number, value in enumerate(values)])
    heights = sorted(text.xyann[1] for text in axes.texts)
    room = min(0.055, 1 / max(1, len(values) - 1))
    assert len(heights) == len(values)
    assert -1e-9 <= heights[0] <= heights[-1] <= 1 + 1e-9
    assert all(above - below >= room - 1e-9 for below, above in pairwise(heights))
    order = [int(text.get_text()) for text in sorted(axes.texts, key=lambda text: text.xyann[1])]
    assert [values[number] for number in order] == sorted(values)


def test_a_label_is_written_once() -> None:
    _, axes = canvas(height=3.4)
    label_right(axes, [(0.5, "chance 0.500", INK)] * 3)
    assert len(axes.texts) == 1


def _evaluation(step: int | None, kind: str, *names: str) -> Evaluation:
    metrics = tuple(
        Metric(
            kind=kind, name=name, part="64 bases apart" if kind == "recall" else "", metric="bits per base", value=1.5,
            low=None, high=None, better="lower", baseline=1.9, baseline_name="chance", count=1,
        )
        for name in names
    )  # fmt: skip
    task = TaskResult(
        kind=kind, name="x", fingerprint="0", protocol="0", created="2026", seconds=1.0, metrics=metrics, unscored={}
    )  # fmt: skip
    return Evaluation(
        model=f"m{step}", step=step, parameters=1, weights="0", dtype="float32", suite="s", versions={}, tasks=(task,),
        others=(), run=None if step is None else "r",
    )  # fmt: skip


def _texts(svg: str) -> list[str]:
    return re.findall(r"<text [^>]*>([^<]*)</text>", svg)


def test_many_checkpoints_have_few_ticks_and_few_each_its_own() -> None:
    for steps, ticks in (([100, 250, 300], ["100", "250", "300"]), (list(range(1000, 51000, 1000)), None)):
        ones = [_evaluation(step, "likelihood", "a") for step in steps]
        (svg,) = metric_figures(compare(ones), ones)
        texts = _texts(svg)
        below = texts[: texts.index("optimizer step")]
        assert below == ticks or (ticks is None and 3 <= len(below) <= 10)


def test_models_of_unknown_step_are_named_points() -> None:
    ones = [_evaluation(None, "likelihood", "a"), _evaluation(None, "likelihood", "a")]
    (svg,) = metric_figures(compare(ones), ones)
    texts = _texts(svg)
    assert texts[: texts.index("model")] == ["mNone", "mNone"]


def _lines(svg: str, width: str) -> list[int]:
    """The points of each line of this width."""
    found = re.findall(rf'<path d="([^"]*)"[^>]*stroke-width: {width}[;"]', svg)
    return [len(re.findall("[ML]", line)) for line in found]


def test_an_interval_is_drawn_and_only_where_there_is_one() -> None:
    ones = [_evaluation(None, "variants", "a"), _evaluation(None, "variants", "a")]
    (svg,) = metric_figures(compare(ones), ones)
    assert _lines(svg, "1.2") == []
    (task,) = ones[0].tasks
    metric = replace(task.metrics[0], low=1.4, high=1.7)
    ones[0] = replace(ones[0], tasks=(replace(task, metrics=(metric,)),))
    (svg,) = metric_figures(compare(ones), ones)
    assert _lines(svg, "1.2") == [2]
    rows = compare([_evaluation(1, "recall", "r")])
    assert _lines(recall_curve(rows, ["m"]), "1.2") == []
    rows = [replace(row, values=(replace(row.metric, low=1.0, high=2.0),)) for row in rows]
    assert _lines(recall_curve(rows, ["m"]), "1.2") == [2]


def test_no_label_is_cut_off() -> None:
    """Long numbers at the left and long labels at the right make the figure wider, and nothing else does."""
    widths = []
    for low, text in ((0.0, "x"), (-123456.789, "x"), (0.0, "a label of very many letters")):
        figure, axes = canvas(height=2.0)
        axes.set_yticks([low, 1], [f"{low}", "1"])
        axes.set_ylabel("bits saved per base")
        label_right(axes, [(0.5, text, INK)])
        svg = to_svg(figure, "x", "x")
        left, _, width, _ = map(float, re.findall(r'viewBox="([^"]*)"', svg)[0].split())
        assert left == 0
        widths.append(width)
    assert widths[0] == 648
    assert min(widths[1:]) > 660


def test_a_model_without_recall_beside_one_with_it() -> None:
    ones = [_evaluation(1, "recall", "recall"), _evaluation(2, "likelihood", "a")]
    rows = [row for row in compare(ones) if row.metric.kind == "recall"]
    assert "m1 1.500" in _texts(recall_curve(rows, ["m1", "m2"]))
