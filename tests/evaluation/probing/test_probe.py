"""Published layouts give the same task; a head finds what is there, and finds nothing where nothing is."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused

from evaluation.baselines.labels import count_words
from evaluation.labelled.labels import ClassCount
from evaluation.likelihood.likelihood import plan_reading
from evaluation.probing.datasets import Task, read_task
from evaluation.probing.probe import _auroc, probe_task
from evaluation.probing.table import format_table
from foundation.errors import InputError
from tokenizer.sequence import encode

TRAIN = [("ACGTAC", "0"), ("GGGGCC", "1"), ("ACGTTT", "0"), ("CCCCGG", "1")]
TEST = [("ACGAAA", "0"), ("GCGCGC", "1")]


_COUNTS = tuple(ClassCount(name=name, train=60, test=40) for name in "ab")


def _gue(folder: Path) -> None:
    for name, rows in (("train", TRAIN[:3]), ("dev", TRAIN[3:]), ("test", TEST)):
        with open(folder / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows([("sequence", "label"), *rows])


def _nt(folder: Path) -> None:
    for name, rows in (("train", TRAIN), ("test", TEST)):
        text = "".join(f">chr1:{i}-9 x|{label}\n{sequence}\n" for i, (sequence, label) in enumerate(rows))
        (folder / f"{name}.fna").write_text(text)


def _nt_parquet(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for name, rows in (("train", TRAIN), ("test", TEST)):
        table = {
            "sequence": [s for s, _ in rows],
            "label": [int(label) for _, label in rows],
            "task": ["x"] * len(rows),
        }
        parquet.write_table(pa.table(table), folder / f"{name}-00000-of-00001.parquet")


def _genomic_benchmarks(folder: Path) -> None:
    for name, rows in (("train", TRAIN), ("test", TEST)):
        for index, (sequence, label) in enumerate(rows):
            (folder / name / label).mkdir(parents=True, exist_ok=True)
            (folder / name / label / f"{index}.txt").write_text(sequence)


@pytest.mark.parametrize("write", [_gue, _nt, _nt_parquet, _genomic_benchmarks])
def test_layouts(write: Any, tmp_path: Path) -> None:
    write(tmp_path)
    task = read_task(tmp_path)
    assert task.classes == ("0", "1")
    assert sorted((ids.tobytes().decode(), str(label)) for ids, label in task.train) == sorted(TRAIN)
    assert sorted((ids.tobytes().decode(), str(label)) for ids, label in task.test) == sorted(TEST)


def test_what_is_no_task_is_refused(tmp_path: Path) -> None:
    with refused("no-directory", where="none"):
        read_task(tmp_path / "none")
    with refused("no-sequences", where=tmp_path, names="train"):
        read_task(tmp_path)
    _gue(tmp_path)
    (tmp_path / "test.csv").write_text("sequence,label\nACGT,2\n")
    assert _refusal(tmp_path) == ("test-class", f"{tmp_path}/test.csv, line 2")
    (tmp_path / "test.csv").write_text("seq,label\nACGT,1\n")
    assert _refusal(tmp_path) == ("csv-columns", f"{tmp_path}/test.csv")
    (tmp_path / "test.csv").write_text("sequence,label\nACGT,0\nMLEQ,1\n")
    assert _refusal(tmp_path) == ("not-dna", f"{tmp_path}/test.csv, line 3")


def _write(folder: Path, train: dict[str, int], test: dict[str, int]) -> Path:
    """A task with so many sequences of each class."""
    random = np.random.default_rng(1)
    for name, counts in (("train", train), ("test", test)):
        rows = [("".join(random.choice(list("ACGT"), size=12)), one) for one, n in counts.items() for _ in range(n)]
        with open(folder / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows([("sequence", "label"), *rows])
    return folder


def _refusal(folder: Path) -> tuple[str, str]:
    with pytest.raises(InputError) as refusal:
        read_task(folder)
    return refusal.value.kind, str(refusal.value.where)


def test_what_cannot_be_probed_is_refused_with_file_and_class(tmp_path: Path) -> None:
    _write(tmp_path, {"a": 12, "b": 1}, {"a": 3, "b": 3})
    assert _refusal(tmp_path) == ("rare-class", f"{tmp_path}/train.csv")
    _write(tmp_path, {"a": 12, "b": 12}, {"a": 6})
    assert _refusal(tmp_path) == ("one-class", f"{tmp_path}/test.csv")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ({"a": 6, "b": 6}, {"a": 3, "b": 3}),
        ({"a": 2, "b": 2}, {"a": 1, "b": 1}),
        ({"a": 120, "b": 2}, {"a": 3, "b": 3}),
        ({"a": 6, "b": 6, "c": 6}, {"a": 3, "c": 3}),
    ],
)
def test_small_tasks_are_measured(train: dict[str, int], test: dict[str, int], tiny_model: Any, tmp_path: Path) -> None:
    task = read_task(_write(tmp_path, train, test))
    rows = probe_task(tiny_model, task, plan_reading(tiny_model), heads=("mlp",), layer=-1, pooling="mean", seeds=2)
    assert all(-1 <= row.mcc <= 1 and 0 <= row.auroc <= 1 for row in rows)


def test_auroc_of_all_classes_is_the_macro_average() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(2)
    truth, chances = random.integers(0, 3, 50), random.dirichlet([1, 1, 1], 50)
    assert _auroc(truth, chances) == pytest.approx(roc_auc_score(truth, chances, multi_class="ovr"))
    some = truth != 1
    expected = np.mean([roc_auc_score(truth[some] == one, chances[some][:, one]) for one in (0, 2)])
    assert _auroc(truth[some], chances[some]) == pytest.approx(expected)


def test_words_are_counted_on_both_strands() -> None:
    counts = count_words([encode("AAC"), encode("ANAA"), encode("A")], 2)
    assert counts.shape == (3, 16)
    expected = np.zeros(16)
    expected[[0, 1, 11, 15]] = 0.25  # AA, AC; GT, TT
    np.testing.assert_allclose(counts[0], expected)
    assert counts[1][0] == counts[1][15] == 0.5
    assert not counts[2].any()


def test_a_head_finds_composition_and_no_more_than_there_is(tiny_model: Any) -> None:
    random = np.random.default_rng(0)

    def sequences(count: int, shares: list[float], label: int) -> list[tuple[np.ndarray, int]]:
        return [(encode("".join(random.choice(list("ACGT"), p=shares, size=20))), label) for _ in range(count)]

    rich, poor, even = [0.1, 0.4, 0.4, 0.1], [0.35, 0.15, 0.15, 0.35], [0.25] * 4
    for shares, found in (((rich, poor), True), ((even, even), False)):
        parts = [tuple(sequences(n, shares[0], 0) + sequences(n, shares[1], 1)) for n in (60, 40)]
        task = Task(name="gc", counts=_COUNTS, shared=0, train=parts[0], test=parts[1])
        reading = plan_reading(tiny_model)
        rows = probe_task(tiny_model, task, reading, heads=("linear", "mlp"), layer=-1, pooling="mean", seeds=2)
        assert [(row.features, row.head) for row in rows] == [
            ("layer -1, mean", "linear"), ("layer -1, mean", "mlp"), ("3-mers", "linear"), ("5-mers", "linear"),
        ]  # fmt: skip
        for row in rows[:3]:
            assert (row.mcc > 0.5) == found
            assert (row.auroc > 0.8) == found
    assert format_table(rows).count("\n") == 4
