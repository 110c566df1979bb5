"""Suites: strict files, one form of result, and a page that says what was measured."""

import dataclasses
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused

from configs.locate import CONFIGS
from evaluation.suite.checks import check_suite
from evaluation.suite.compare import compare, format_comparison, in_order, labels, runs_of
from evaluation.suite.config import KINDS, read_suite
from evaluation.suite.figures import metric_figures
from evaluation.suite.output import beats, read_directory, write_comparison
from evaluation.suite.recall import CUE, NEEDLE, fitting, measure_recall
from evaluation.suite.result import (
    Evaluation,
    Metric,
    RecordResult,
    TaskResult,
    read_evaluation,
    training_run,
    training_step,
    write_evaluation,
)
from evaluation.suite.runner import evaluate_models


def _metric(**changes: Any) -> Metric:
    base = Metric(
        kind="likelihood", name="held out", part="", metric="bits per base", value=1.5, low=None, high=None,
        better="lower", baseline=1.9, baseline_name="Markov, order 3", count=1000,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def _evaluation(model: str, step: int | None, *metrics: Metric, protocol: str = "0") -> Evaluation:
    task = TaskResult(
        kind="likelihood", name="held out", fingerprint="0", protocol=protocol, created="2026-01-01T00:00:00Z",
        seconds=1.0, metrics=metrics, unscored={},
    )  # fmt: skip
    return Evaluation(
        model=model, step=step, parameters=10, weights="0", dtype="float32", suite="demo", versions={"torch": "2"},
        tasks=(task,), others=(),
    )  # fmt: skip


def test_a_suite_runs_and_its_result_survives_its_file(tiny_directory: Path, suite_file: Path, tmp_path: Path) -> None:
    suite = read_suite(suite_file)
    check_suite(suite, suite_file)
    evaluate_models([tiny_directory], suite, suite_file, tmp_path / "out", "float32")
    (result,) = read_directory(tmp_path / "out")
    assert [(task.kind, task.name) for task in result.tasks] == [
        ("likelihood", "genome"), ("variants", "made up"), ("probe", "letters"),
    ]  # fmt: skip
    assert {metric.kind for metric in result.metrics} == {"likelihood", "variants", "probe"}
    likelihood = result.metrics[0]
    assert likelihood.value > 2 > (likelihood.baseline or 9)  # a random model against chains fitted on the very bases
    assert not beats(likelihood)
    assert [(one.name, one.count) for one in result.tasks[0].records] == [("c", likelihood.count)]
    assert result.tasks[0].records[0].value == likelihood.value


@pytest.mark.parametrize(
    ("text", "kind", "where"),
    [
        ("", "suite-empty", "suite.yaml"),
        ("likelihod: []", "unknown-key", "suite.yaml"),
        ("likelihood: [{name: x}]", "missing-value", "suite.yaml.likelihood[0].source"),
        ("likelihood: [{name: x, source: a, stride: many}]", "wrong-type", "suite.yaml.likelihood[0].stride"),
        ("likelihood: [{name: x, source: a, strid: 3}]", "unknown-key", "suite.yaml.likelihood[0]"),
        ("probes: {name: x}", "wrong-type", "suite.yaml.probes"),
        ("[likelihood]", "wrong-type", "suite.yaml"),
        ("recall: [{}, {}]", "task-name-twice", "suite.yaml"),
        ("[", "not-yaml", "suite.yaml"),
    ],
)
def test_a_wrong_suite_is_named(tmp_path: Path, text: str, kind: str, where: str) -> None:
    (tmp_path / "suite.yaml").write_text(text)
    with refused(kind, where=where):
        read_suite(tmp_path / "suite.yaml")


def test_what_a_suite_needs_is_asked_for_before_the_work(suite_file: Path) -> None:
    for key, value, kind, task, named in (
        ("strand: forward", "strand: sideways", "unknown-strand", "made up", "'sideways'"),
        ("seeds: 2", "seeds: 2, heads: [tree]", "unknown-head", "letters", "'tree'"),
        ("seeds: 2", "seeds: 2, pooling: none", "unknown-pooling", "letters", "'none'"),
        ("v.vcf", "w.vcf", "missing-source", "made up", "w.vcf"),
        ("batch_size", "recall: [{distances: [128, 63]}]\nbatch_size", "distance-too-short", "recall", "63"),
        ("batch_size", "recall: [{distances: []}]\nbatch_size", "no-distance", "recall", ""),
    ):
        text = suite_file.read_text()
        suite_file.write_text(text.replace(key, value))
        with refused(kind, where=f"suite.yaml, task {task!r}", names=named):
            check_suite(read_suite(suite_file), suite_file)
        suite_file.write_text(text)


@pytest.mark.parametrize("path", sorted((CONFIGS / "evaluation").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_suites_are_read(path: Path) -> None:
    read_suite(path)


def test_recall_counts_the_second_copy_alone() -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from evaluation.likelihood.attention import use_attention

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=256, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=150, initializer_range=0.3, bos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    use_attention(model)
    found = measure_recall(model, distances=[80, 64, 1000], samples=3, seed=5, batch_size=2)
    assert [one.distance for one in found] == [64, 80]
    for one in found:
        filled = np.random.default_rng([5, one.distance]).choice(tuple(b"ACGT"), size=(3, one.distance))
        tokens = torch.from_numpy(np.concatenate([filled, filled[:, :NEEDLE]], axis=1))
        with torch.inference_mode():
            logits = model(tokens).logits.double()[..., list(b"ACGT")]
        logs = logits.log_softmax(-1)[:, one.distance + CUE - 1 : -1]
        truth = torch.tensor(
            [[b"ACGT".index(base) for base in row] for row in tokens[:, one.distance + CUE :].tolist()]
        )
        bits = -logs.gather(-1, truth[..., None])[..., 0] / np.log(2)
        assert one.bases == 3 * (NEEDLE - CUE)
        assert one.bits == pytest.approx(float(bits.mean()), abs=1e-5)
        assert one.accuracy == pytest.approx(float((logs.argmax(-1) == truth).double().mean()))
    with refused("no-distance-fits", where="s.yaml, task 'r'", fix="64 to 86"):
        fitting([100], 150, where="s.yaml, task 'r'")
    with refused("distance-too-short", names="10"):
        fitting([10], 150, where=None)


def test_models_are_compared_along_training() -> None:
    later = _evaluation("runs/a/step=200", 200, _metric(value=1.4), _metric(metric="x", better="higher", value=0.7))
    early = _evaluation("runs/a/step=100", 100, _metric(value=1.6), _metric(metric="x", better="higher", value=0.8))
    assert [one.step for one in in_order([replace(one, run="a") for one in (later, early)])] == [100, 200]
    rows = compare([early, later])
    assert [row.best for row in rows] == [(1,), (0,)]
    assert labels([early, later]) == ["step=100", "step=200"]
    text = format_comparison([early, later])
    assert "1.4000*" in text
    assert "0.8000*" in text
    assert "1.9000 Markov, order 3" in text


def test_only_checkpoints_of_one_run_make_a_curve() -> None:
    ones = [replace(_evaluation("r", step, _metric(value=1.4)), run="runs/a") for step in (100, 200)]
    assert ["optimizer step" in svg for svg in metric_figures(compare(ones), ones)] == [True]
    for others in (
        [ones[0], replace(ones[1], run="runs/tuned")],  # a fine-tune and its base
        [ones[0], replace(ones[1], run=None)],
        [replace(one, run=None) for one in ones],
        [ones[0], replace(ones[1], step=100)],
        [ones[0], replace(ones[1], parameters=11)],
    ):
        assert runs_of(others) == []
        assert ["optimizer step" in svg for svg in metric_figures(compare(others), others)] == [False]


def test_each_run_has_a_curve_of_its_own_and_the_others_are_points() -> None:
    """Two runs of two checkpoints and one of one: two lines; and three points, of the ends of these and the other."""
    runs = [("a", 100), ("b", 150), ("a", 200), ("b", 300), ("c", 100)]
    ones = [replace(_evaluation(f"{run}/{step}", step, _metric(value=1.4)), run=run) for run, step in runs]
    assert runs_of(ones) == [[0, 2], [1, 3]]
    assert runs_of([*ones, replace(ones[0], run=None)]) == [[0, 2], [1, 3]]
    curve, points = metric_figures(compare(ones), ones)
    lines = re.findall(r'<path d="([^"]*)"[^>]*stroke-width: 2[;"]', curve)
    assert [len(re.findall("[ML]", line)) for line in lines] == [2, 2]
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", points)
    assert texts[: texts.index("model")] == ["a/200", "b/300", "c/100"]
    assert len(list(metric_figures(compare(ones[:4]), ones[:4]))) == 1


def test_models_are_in_the_order_of_the_command_line() -> None:
    """Those of earlier runs come first, and the checkpoints of a run change places among themselves."""
    ones = [replace(_evaluation(name, step), run=run) for name, step, run in (
        ("base/1000", 1000, "b"), ("tuned", 60, "t"), ("base/200", 200, "b"), ("old", None, None),
    )]  # fmt: skip
    given = ["base/1000", "tuned", "base/200"]  # as a shell sorts them
    assert [one.model for one in in_order(ones, given)] == ["old", "base/200", "tuned", "base/1000"]
    assert [one.model for one in in_order(ones, ["tuned", "base/200"])] == ["base/200", "old", "tuned", "base/1000"]


def test_the_records_of_a_task_are_shown_by_name(tmp_path: Path) -> None:
    hostile = "<b>genome"
    records = [
        (hostile, 900, 1.6, 1.9),
        ("a relative", 400, 1.7, 1.2),
        *((f"r{n}", 10 + n, 1.8, 1.9) for n in range(40)),
    ]
    found = [RecordResult(name=name, count=count, value=value, baseline=chain) for name, count, value, chain in records]
    ones = [_evaluation(f"m{number}", None, _metric()) for number in range(2)]
    task = replace(ones[0].tasks[0], records=tuple(found))
    write_comparison([replace(ones[0], tasks=(task,)), ones[1]], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "Records of held out" in page
    assert "<b>genome" not in page
    (row,) = re.findall(r"<tr><td class=\"name\">a relative</td>.*?</tr>", page)
    assert re.findall(r">([^<>]+)</td>", row) == ["a relative", "1.700", "none", "1.200", "400"]
    assert 'class="n bad">1.700' in row
    assert page.index("genome</td>") < page.index("a relative</td>") < page.index("r39</td>")
    assert "r11</td>" not in page
    assert "the 30 with the most bases, 12 more are in the JSON files" in page


def test_a_result_of_the_version_without_runs_is_read(tmp_path: Path) -> None:
    write_evaluation(replace(_evaluation("a", 1, _metric(value=1.4)), run="r"), tmp_path / "a.json")
    assert read_evaluation(tmp_path / "a.json").run == "r"
    content = json.loads((tmp_path / "a.json").read_text())
    del content["evaluation"]["run"]
    (tmp_path / "a.json").write_text(json.dumps(content | {"format": "genomic-llama evaluation 3"}))
    assert read_evaluation(tmp_path / "a.json").run is None
    content["evaluation"]["tasks"][0].pop("records")
    (tmp_path / "a.json").write_text(json.dumps(content | {"format": "genomic-llama evaluation 4"}))
    assert read_evaluation(tmp_path / "a.json").tasks[0].records == ()


def test_a_result_of_another_suite_is_shown_and_not_compared(tmp_path: Path) -> None:
    ones = [
        _evaluation(f"m{i}", i, _metric(value=value), protocol=protocol)
        for i, (value, protocol) in enumerate([(1.1, "other"), (1.75, "0"), (1.5, "0")])
    ]
    (row,) = compare(ones)
    assert (row.best, row.foreign, row.marked) == ((2,), (0,), (2,))
    text = format_comparison(ones)
    assert "1.1000†" in text
    assert "1.5000*" in text
    assert text.splitlines()[-1].startswith("† of another suite")
    assert compare(ones[:2])[0].marked == ()  # one is left: nothing to be better than
    write_comparison(ones, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "1.100†" in page
    assert "† of another suite" in page
    assert "<b>1.500</b>" in page
    assert "on one suite" not in page
    assert "†" not in format_comparison(ones[1:])


def test_equal_values_are_all_the_best_or_none(tmp_path: Path) -> None:
    ones = [
        _evaluation(f"m{i}", i, _metric(value=value), _metric(metric="x", value=1.25))
        for i, value in enumerate((1.75, 1.5, 1.5))
    ]
    rows = compare(ones)
    assert [(row.best, row.marked) for row in rows] == [((1, 2), (1, 2)), ((0, 1, 2), ())]
    assert format_comparison(ones).count("1.5000*") == 2
    assert "1.2500*" not in format_comparison(ones)
    write_comparison(ones, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count("<b>1.500</b>") == 2
    assert "<b>1.250</b>" not in page


def test_the_step_is_read_from_the_export(tmp_path: Path) -> None:
    assert training_step(tmp_path) is None
    assert training_run(tmp_path) is None
    (tmp_path / "conversion.json").write_text('{"source": "run/checkpoints/step=1500-last"}')
    assert training_step(tmp_path) == 1500
    (tmp_path / "conversion.json").write_text('{"source": "run", "checkpoint": "run/checkpoints/step=2000"}')
    assert training_step(tmp_path) == 2000
    assert training_run(tmp_path) == "run/checkpoints"
    (tmp_path / "conversion.json").write_text('{"source": "other/checkpoints/step=1500-last"}')
    assert training_run(tmp_path) == "other/checkpoints"
    assert training_run(tmp_path / "hf" / "iter_0000100") == f"{tmp_path}/hf"


def test_the_page_says_it_and_takes_no_orders(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    recall = [
        _metric(kind="recall", name="recall", part=f"{d} bases apart", value=1.9, baseline=2.0) for d in (64, 128)
    ]
    ones = [_evaluation(f"m/{hostile}{i}", i, _metric(name=hostile, value=2.1 - i / 10), *recall) for i in (1, 2)]
    write_comparison(ones, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script" in page
    assert "1.900" in page
    assert page.count("<svg") == 2
    write_comparison(ones[:1], tmp_path / "one.html")


@pytest.mark.parametrize("kind", sorted(KINDS.values()))
def test_every_kind_of_task_is_on_the_page(kind: str, tmp_path: Path) -> None:
    part = "64 bases apart" if kind == "recall" else ""
    write_comparison([_evaluation("m", None, _metric(kind=kind, part=part, value=1.234))], tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert 'class="n ">1.234' in page
    assert "m beats its baseline in 1 of 1 metric." in page


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with refused("not-an-evaluation", where="x.json", fix="--out"):
        read_evaluation(tmp_path / "x.json")
    (tmp_path / "x.json").write_text('{"format": "genomic-llama evaluation 1", "evaluation": {}}')
    with refused("evaluation-version", where="x.json", fix="--out", names="evaluation 1"):
        read_evaluation(tmp_path / "x.json")
