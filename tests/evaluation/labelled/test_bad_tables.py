"""What a training table can have wrong: each refused by its kind, with the file and the row, and before NeMo."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from labelled import write_rows
from refusal import refused

from configs.schema import HeadConfig
from evaluation.labelled.splits import read_splits

GOOD = [("ACGTACGT", "a"), ("GGGGCCCC", "b"), ("ACGTTTTT", "a"), ("GGCCGGCC", "b")]


def _read(path: Path, kind: str = "classify", **values: Any) -> Any:
    return read_splits(HeadConfig(kind=kind, train=str(path), validation_fraction=0.5, **values), longest=20)


@pytest.mark.parametrize(
    ("kind", "row", "refusal", "names"),
    [
        ("classify", ("ACGT", ""), "label-missing", "''"),
        ("classify", ("ACGT", "NaN"), "label-missing", "NaN"),
        ("classify", ("ACGT", "0.37"), "label-not-class", "0.37"),
        ("classify", ("ACGT", "1e-3"), "label-not-class", "1e-3"),
        ("classify", ("ACGT", "A"), "label-spelling", "'A'"),
        ("classify", ("", "a"), "empty-sequence", ""),
        ("classify", ("ACGT!", "a"), "not-dna", "!"),
        ("classify", ("ACGT" * 6, "a"), "sequence-too-long", "24"),
        ("regress", ("ACGT", "high"), "label-not-numeric", "high"),
        ("regress", ("ACGT", "inf"), "label-not-numeric", "inf"),
        ("regress", ("ACGT", "1e39"), "label-not-numeric", "1e39"),
        ("regress", ("ACGT", ""), "label-missing", "''"),
        ("multilabel", ("ACGT", "2"), "label-not-binary", "2"),
        ("multilabel", ("ACGT", "0.5"), "label-not-binary", "0.5"),
        ("tokens", ("ACGT", "abc"), "label-count", "3"),
        ("track", ("ACGT", "1 2 x 4"), "label-not-numeric", "x"),
        ("track", ("ACGT", "1 2 3 4 5"), "label-count", "5"),
    ],
)
def test_a_bad_row_is_named(kind: str, row: tuple[str, str], refusal: str, names: str, tmp_path: Path) -> None:
    labels = {
        "classify": "ab",
        "regress": ["1.5", "2"],
        "multilabel": "01",
        "tokens": ["aaaabbbb", "bbbbaaaa"],
        "track": ["1 2 3 4 5 6 7 8", "1 2 3 4 . 6 7 8"],
    }[kind]
    rows = [(sequence, labels[number % 2]) for number, (sequence, _) in enumerate(GOOD)]
    table = write_rows(tmp_path / "table.csv", [*rows, row])
    with refused(refusal, where="table.csv, line 6", names=names):
        _read(table, kind)


@pytest.mark.parametrize(
    ("kind", "labels", "refusal", "fix"),
    [
        ("classify", ["a"] * 4, "one-class", "another class"),
        ("classify", [f"c{number}" for number in range(40)], "too-many-classes", "regress"),
        ("regress", ["1", "1.0", "1", "1"], "one-class", ""),
        ("multilabel", ["0"] * 4, "one-class", ""),
        ("tokens", ["........", "aaaaaaaa"], "one-class", ""),
    ],
)
def test_labels_with_nothing_to_learn(kind: str, labels: list[str], refusal: str, fix: str, tmp_path: Path) -> None:
    rows = [("ACGTACG" + "ACGT"[number % 4], label) for number, label in enumerate(labels)]
    with refused(refusal, where="table.csv", fix=fix):
        _read(write_rows(tmp_path / "table.csv", rows), kind)


@pytest.mark.parametrize(
    ("kind", "labels", "values", "refusal", "names"),
    [
        ("classify", "bbba", {}, "class-without-training", "'a'"),
        ("regress", ["1", "1", "1", "2"], {}, "class-without-training", "label"),
        ("classify", "abab", {"validation": "aa", "stop_metric": "auroc"}, "validation-one-class", "'b'"),
        ("regress", "1212", {"validation": "11", "stop_metric": "pearson"}, "validation-one-class", "label"),
        ("multilabel", "0101", {"validation": "00", "stop_metric": "auprc"}, "validation-one-class", "label"),
        ("tokens", ["abababab"] * 4, {"validation": ["........"] * 2}, "no-labels", ""),
    ],
)
def test_splits_that_cannot_be_learned_or_measured(
    kind: str, labels: list[str], values: dict[str, Any], refusal: str, names: str, tmp_path: Path
) -> None:
    """A class that drawing takes from training; a measure to stop by that validation leaves undefined."""
    rows = [("ACGTACG" + "ACGT"[number], label) for number, label in enumerate(labels)]
    held_out = write_rows(
        tmp_path / "v.csv", [("GGGGGGG" + "GC"[n], one) for n, one in enumerate(values.get("validation", []))]
    )
    values = {**values, **({"validation": str(held_out)} if "validation" in values else {})}
    with refused(refusal, where="v.csv" if "validation" in values else "t.csv", names=names):
        _read(write_rows(tmp_path / "t.csv", rows), kind, **values)


def test_what_is_odd_and_can_be_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = [*GOOD, ("AACGTACGTT", "a"), ("AACGTACGTT", "b")]
    table, one_class = write_rows(tmp_path / "t.csv", odd), write_rows(tmp_path / "v.csv", [("TTTT", "a")])
    splits = _read(table, validation=str(one_class), stop_metric="loss")
    assert (len(splits.train), len(splits.validation)) == (6, 1)
    said = capsys.readouterr().err
    assert "1 training sequence appears more than once, with different labels" in said
    assert "v.csv: the validation sequences have no class 'b'" in said
    _read(write_rows(tmp_path / "u.csv", [(f"ACGT{a}{b}", "ab"[a == b]) for a in "ACGT" for b in "ACGT"]))
    assert "of 16 sequences are held out for validation" in capsys.readouterr().err


def test_two_places_for_the_other_splits(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    table = write_rows(tmp_path / "parts" / "train.csv", GOOD)
    with refused("split-twice", where="parts", fix="head.validation"):
        _read(tmp_path / "parts", validation=str(table))


def test_a_class_of_test_that_is_not_in_train(tmp_path: Path) -> None:
    train, test = write_rows(tmp_path / "train.csv", GOOD), write_rows(tmp_path / "test.csv", [("ACGT", "c")])
    with refused("test-class", where="test.csv, line 2", names="'c'"):
        _read(train, test=str(test))


def test_a_split_that_is_not_one(tmp_path: Path) -> None:
    table = write_rows(tmp_path / "t.csv", [("ACGT,train", "a"), ("CCGT,holdout", "b")], "sequence,split,label")
    with refused("split-name", where="t.csv, line 3", names="holdout"):
        _read(table, split_column="split")


@pytest.mark.parametrize(("name", "refusal"), [("t.xls", "table-suffix"), ("none.csv", "missing-file")])
def test_files_that_cannot_be_read(name: str, refusal: str, tmp_path: Path) -> None:
    (tmp_path / "t.xls").write_text("x")
    with refused(refusal, where=name):
        _read(tmp_path / name)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with refused("csv-columns", where="t.csv", names="sequence"):
        _read(write_rows(tmp_path / "t.csv", GOOD, "seq,label"))


@pytest.mark.parametrize(("side", "kept"), [("left", "TTTTT"), ("right", "ACGTA")])
def test_the_end_that_is_cut_off_is_the_users_choice(
    side: str, kept: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_rows(tmp_path / "t.csv", [("ACGTATTTTT", "a"), ("GGGG", "b"), ("ACGTATTTTT", "a"), ("CCGG", "b")])
    head = HeadConfig(kind="classify", train=str(table), validation=str(table), truncate=side)
    splits = read_splits(head, longest=5)
    assert splits.train[0].ids.tobytes().decode() == kept
    said = capsys.readouterr().err
    assert "2 of 4 sequences cut to 5 bases" in said
    assert "4 of 4 validation sequences are in train too" in said


def test_labels_per_base_are_cut_with_their_bases(tmp_path: Path) -> None:
    table = write_rows(tmp_path / "t.csv", [("ACGTAC", "aabb.b"), ("GGGG", "abab")])
    head = HeadConfig(kind="tokens", train=str(table), validation=str(table), truncate="left")
    splits = read_splits(head, longest=4)
    assert [one.target.tolist() for one in splits.train] == [[1, 1, -100, 1], [0, 1, 0, 1]]


def test_every_format_gives_the_same(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    csv = write_rows(tmp_path / "t.csv", GOOD)
    (tmp_path / "t.tsv").write_text(csv.read_text().replace(",", "\t"))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(csv.read_bytes()))
    (tmp_path / "t.fa").write_text("".join(f">s{n} label={label}\n{s}\n" for n, (s, label) in enumerate(GOOD)))
    (tmp_path / "u.fa").write_text("".join(f">s{n}|{label}\n{s}\n" for n, (s, label) in enumerate(GOOD)))
    columns = {"sequence": [sequence for sequence, _ in GOOD], "label": [label for _, label in GOOD]}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    found = set()
    for name in ("t.csv", "t.tsv", "t.csv.gz", "t.fa", "u.fa", "t.parquet"):
        splits = _read(tmp_path / name, validation=str(csv))
        found.add(tuple((one.ids.tobytes(), int(one.target)) for one in splits.train))
    assert found == {tuple((sequence.encode(), "ab".index(label)) for sequence, label in GOOD)}


def test_the_layouts_in_which_tasks_are_published(tmp_path: Path) -> None:
    """GUE, Nucleotide Transformer and Genomic Benchmarks, which `probe` reads."""
    layouts = ("gue", "nt", "benchmarks")
    for part in ("train", "test"):
        for layout in layouts:
            (tmp_path / layout).mkdir(exist_ok=True)
        write_rows(tmp_path / "gue" / f"{part}.csv", GOOD)
        headers = [f">s{n}|{label}\n{sequence}\n" for n, (sequence, label) in enumerate(GOOD)]
        (tmp_path / "nt" / f"{part}.fna").write_text("".join(headers))
        for number, (sequence, label) in enumerate(GOOD):
            file = tmp_path / "benchmarks" / part / label / f"{number}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(sequence)
    write_rows(tmp_path / "gue" / "dev.csv", GOOD[:3])
    found = {
        layout: read_splits(HeadConfig(kind="classify", train=str(tmp_path / layout), validation_fraction=0.4), 20)
        for layout in layouts
    }
    counts = {layout: [len(one.train), len(one.validation), len(one.test)] for layout, one in found.items()}
    assert counts["gue"] == [4, 3, 4]
    assert all(sum(counts[layout]) == 8 for layout in ("nt", "benchmarks"))
    assert {one.targets.labels for one in found.values()} == {("a", "b")}
    expected = sorted((one.ids.tobytes(), int(one.target)) for one in found["gue"].test)
    assert all(sorted((one.ids.tobytes(), int(one.target)) for one in read.test) == expected for read in found.values())


def test_a_draw_keeps_both_strands_of_a_sequence_together(tmp_path: Path) -> None:
    from tokenizer.sequence import encode, reverse_complement

    forward = [f"ACGT{a}{b}{c}A" for a in "ACGT" for b in "ACGT" for c in "ACGT"]
    rows = [(one, "ab"[number % 2]) for number, one in enumerate(forward)]
    rows += [(reverse_complement(encode(one)).tobytes().decode(), label) for one, label in rows]
    splits = _read(write_rows(tmp_path / "t.csv", rows))
    drawn = {one.ids.tobytes() for one in splits.validation}
    assert 20 < len(drawn) < 108
    assert {reverse_complement(encode(one)).tobytes() for one in drawn} == drawn
    assert not drawn & {one.ids.tobytes() for one in splits.train}


def test_numbers_sort_as_numbers(tmp_path: Path) -> None:
    rows = [("ACGT" + "ACGT"[number % 4], str(label)) for number, label in enumerate([10, 9, 2, 10, 9, 2])]
    table = write_rows(tmp_path / "t.csv", rows)
    assert _read(table, validation=str(table)).targets.labels == ("2", "9", "10")
