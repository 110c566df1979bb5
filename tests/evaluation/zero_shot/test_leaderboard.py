"""The page, its JSON and the cards: our rows, published rows, differences, failures, and what was not run."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from corpora import prepare
from refusal import refused
from sklearn.metrics import roc_auc_score

from evaluation.zero_shot.board.comparing import compare_items
from evaluation.zero_shot.board.leaderboard import Leaderboard, read_leaderboard, write_leaderboard
from evaluation.zero_shot.board.leakage import corpus_of, leakage
from evaluation.zero_shot.board.model_card import model_card
from evaluation.zero_shot.board.page import render_leaderboard
from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.result import Measure, TaskResult, items_path, items_table, write_items, write_result
from evaluation.zero_shot.spec import CONFIGS, Published, SourceFile, TaskSpec
from foundation.typed import hints

SCHEMA = CONFIGS / "leaderboard.schema.json"


def _task(name: str, *, missing: bool = False, published: tuple[Published, ...] = ()) -> TaskData:
    spec = TaskSpec(
        title=f"The title of {name} & <others>", kind="variants", layout="traitgym", statistics=("AUROC",), name=name,
        seen="nothing", citation="somebody 2020", files=(SourceFile(path=f"{name}.parquet", url="https://x.example/f"),),
        published=published,
    )  # fmt: skip
    return TaskData(spec=spec, folder=Path("data"), paths=(None if missing else Path("data/f"),))


def _result(task: str, model: str, *measures: Measure, failed: str | None = None) -> TaskResult:
    return TaskResult(
        task=task, title=task, model=f"runs/{model}", weights="0" * 64, run=None, step=None, parameters=1000,
        dtype="float32", versions={"torch": "2"}, measures=measures, left_out={"REF differs": 2},
        notes=("windows of 64 bases",), failed=failed,
    )  # fmt: skip


@pytest.fixture
def tasks() -> list[TaskData]:
    published = (
        Published(model="Evo 2 7B", metric="AUROC", value=0.875, source="a paper, table 1", protocol="the same"),
        Published(model="old", metric="AUROC", value=0.6, source="another", error=0.01),
        Published(model="of a class", metric="AUROC", part="missense", value=0.99, source="another"),
    )
    return [_task("first", published=published), _task("broken"), _task("absent", missing=True)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Two models on one task, and one that failed on another."""
    random = np.random.default_rng(0)
    labels = (np.arange(80) % 3 == 0).tolist()
    for number, model in enumerate(("runs-step=100", "runs-step=200")):
        folder = tmp_path / "out" / model
        folder.mkdir(parents=True)
        scores = (random.normal(size=80) + (1 + number) * np.array(labels)).tolist()
        value = float(roc_auc_score(labels, scores))
        measures = (
            Measure(
                metric="AUROC", value=value, low=value - 0.1, high=value + 0.05, count=80, positives=27, chance=0.5
            ),
            Measure(metric="AUROC", part="missense", value=0.4, count=20, positives=5, chance=0.5),
        )
        write_result(_result("first", model, *measures), folder)
        items = {
            "contig": ["1"] * 80,
            "position": list(range(80)),
            "label": labels,
            "score": scores,
            "cluster": list(range(80)),
        }
        write_items(items_table(items), items_path(folder, "first"))
    write_result(
        _result("broken", "runs-step=100", failed="broken.parquet, row 5: pos '0' is not a position"),
        tmp_path / "out" / "runs-step=100",
    )
    return tmp_path / "out"


@pytest.fixture
def board(out: Path, tasks: list[TaskData]) -> Leaderboard:
    return read_leaderboard(out, tasks)


def test_the_json_keeps_to_its_schema(board: Leaderboard, tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    write_leaderboard(board, tmp_path / "leaderboard.json")
    content = json.loads((tmp_path / "leaderboard.json").read_text())
    jsonschema.validate(content, schema)
    content["leaderboard"]["tasks"][0]["ours"][0]["measures"][0]["value"] = "high"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)


def test_the_schema_has_every_field() -> None:
    """So that a field that is added is added to the schema too."""
    definitions = json.loads(SCHEMA.read_text())["$defs"]
    seen, left = set(), [Leaderboard]
    while left:
        kind: Any = left.pop()
        assert list(definitions[kind.__name__]["properties"]) == list(hints(kind)), kind
        seen.add(kind.__name__)
        for one in hints(kind).values():
            left += [part for part in getattr(one, "__args__", ()) if dataclasses.is_dataclass(part)]
    assert seen == set(definitions)


def test_the_page_tells_ours_from_published(board: Leaderboard) -> None:
    page = render_leaderboard(board)
    rows = re.findall(r'<tr class="(published|)">(.*?)</tr>', page, re.DOTALL)
    published = [row for kind, row in rows if kind]
    assert len(published) == 3
    assert len(rows) - len(published) == 4  # two models, two measures
    assert "Evo 2 7B" in published[0]
    assert "a paper, table 1; protocol: the same" in published[0]
    assert page.count("(published)</text>") == 2  # the figure, without the row of a class
    for text in (
        "pos &#39;0&#39; is not a position",
        "data/absent.parquet",
        "windows of 64 bases",
        "2 left out: REF differs",
    ):
        assert text in page, text
    assert "&lt;others&gt;" in page
    assert "<others>" not in page


def test_checkpoints_are_compared_on_the_same_items(board: Leaderboard) -> None:
    (one,) = board.tasks[0].differences
    assert (one.first, one.second, one.test) == ("step=100", "step=200", "DeLong")
    first, second = (row.measures[0].value for row in board.tasks[0].ours)
    assert one.value == pytest.approx(first - second, abs=1e-12)
    assert one.p is not None
    assert one.low is not None
    assert one.low <= one.value


def test_other_items_are_not_compared() -> None:
    items = {"label": [True, False, True], "score": [1.0, 2.0, 3.0], "cluster": [0, 1, 2], "position": [1, 2, 3]}
    assert compare_items(items, items | {"position": [1, 2, 4]}) is None
    assert compare_items(items, items) is not None


def test_likelihoods_are_compared_by_record() -> None:
    first = {"record": ["a", "b", "c"], "bases": [10, 20, 30], "nats": [13.0, 20.0, 40.0]}
    second = first | {"nats": [12.0, 21.0, 36.0]}
    found = compare_items(first, second)
    assert found is not None
    assert found.value == pytest.approx((73 - 69) / 60)
    assert found.metric == "nats per base"


def test_a_card_is_what_the_hub_reads(board: Leaderboard) -> None:
    from huggingface_hub.repocard_data import model_index_to_eval_results

    card = model_card(board, board.models[0])
    header = yaml.safe_load(card.split("---")[1])
    name, results = model_index_to_eval_results(header["model-index"])
    assert name == "step=100"
    assert [(one.dataset_type, one.metric_type, one.metric_name) for one in results] == [
        ("first", "auroc", "AUROC"), ("first", "auroc", "AUROC missense"),
    ]  # fmt: skip
    assert results[0].metric_value == pytest.approx(board.tasks[0].ours[0].measures[0].value, abs=1e-6)
    assert "| Evo 2 7B 0.875, old 0.600 |" in card
    assert model_card(board, dataclasses.replace(board.models[0], name="another")) == ""


def test_a_folder_that_holds_something_else_is_refused(out: Path, tasks: list[TaskData]) -> None:
    (out / "runs-step=100" / "other.json").write_text("{}")
    with refused("not-a-zero-shot-result", where="other.json"):
        read_leaderboard(out, tasks)


def test_an_empty_folder_has_no_models(tmp_path: Path, tasks: list[TaskData]) -> None:
    board = read_leaderboard(tmp_path / "none", tasks)
    assert board.models == ()
    assert "data/absent.parquet" in render_leaderboard(board)
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_leakage_is_by_the_names_in_the_corpus_of_the_run(tmp_path: Path) -> None:
    records = enumerate(("chr1", "NC_1.2", "u"))
    (tmp_path / "g.fa").write_text("".join(f">{name} x\n{'ACGT' * 30}{'ACG' * n}\n" for n, name in records))
    prepare([tmp_path / "g.fa"], tmp_path / "corpus", validation_fraction=0.0, record_names=True)
    model, run = tmp_path / "model", tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    model.mkdir()
    assert corpus_of(model) is None
    (model / "conversion.json").write_text(json.dumps({"source": str(run / "checkpoints")}))
    (run / "config.yaml").write_text(f"dataset:\n  corpus: {tmp_path}/corpus\n")
    assert corpus_of(model) == tmp_path / "corpus"
    found = leakage(tmp_path / "corpus", ["1", "NC_1.3", "chr9", "nc_1"])
    assert found.startswith("2 of 4 sequences are in the training split")
    assert "(1, NC_1.3)" in found
    assert "not known" in leakage(None, ["1"])
