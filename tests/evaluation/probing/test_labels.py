"""Every spelling of a label in every layout: what is one class is one, and what is doubtful is refused with its row."""

from pathlib import Path
from typing import Any

import pytest

from evaluation.probing.datasets import Task, read_task
from evaluation.probing.table import class_lines
from foundation.errors import InputError

SEQUENCES = ("ACGTAC", "ACGTTT", "GGGGCC", "CCCCGG")
TEST = "sequence,label\nACGAAA,0\nGCGCGC,1\n"


def _csv(folder: Path, labels: list[str], test: str = TEST, **encoding: Any) -> Path:
    rows = [f"{sequence},{label}\n" for sequence, label in zip(SEQUENCES, labels, strict=True)]
    (folder / "train.csv").write_text("sequence,label\n" + "".join(rows), **encoding)
    (folder / "test.csv").write_text(test, **encoding)
    return folder


def _parquet(folder: Path, name: str, labels: list[Any]) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    table = {"sequence": [SEQUENCES[index % 4] for index in range(len(labels))], "label": labels}
    parquet.write_table(pa.table(table), folder / name)
    return folder


def _refusal(folder: Path) -> tuple[str, str]:
    with pytest.raises(InputError) as refusal:
        read_task(folder)
    return refusal.value.kind, str(refusal.value.where).removeprefix(f"{folder}/")


def _classes(task: Task) -> list[tuple[str, int, int]]:
    return [(one.name, one.train, one.test) for one in task.counts]


@pytest.mark.parametrize("labels", [["0", "0.0", "1", "1.0"], ["0", " 0", "1", "1 "], ["0.", "0.00", '" 1"', "1"]])
def test_a_number_and_white_space_have_one_spelling(tmp_path: Path, labels: list[str]) -> None:
    assert _classes(read_task(_csv(tmp_path, labels))) == [("0", 2, 1), ("1", 2, 1)]
    assert _classes(read_task(_csv(tmp_path, labels, TEST.replace(",1", ",1.0")))) == [("0", 2, 1), ("1", 2, 1)]


@pytest.mark.parametrize("labels", [[0.0, 0.0, 1.0, 1.0], ["0", "0.0", " 1", "1"], [0, 0, 1, 1]])
def test_labels_of_parquet_are_those_of_csv(tmp_path: Path, labels: list[Any]) -> None:
    _csv(tmp_path, ["0", "0", "1", "1"])
    (tmp_path / "train.csv").rename(tmp_path / "dev.csv")
    assert _classes(read_task(_parquet(tmp_path, "train.parquet", labels))) == [("0", 4, 1), ("1", 4, 1)]


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "a", "A", "b"], ["promoter_x", "promoter_x", "promoter x", "b"], ["1", "1", "01", "0"],
        ["1", "1", "1e0", "0"], ["1", "1", "True", "0"], ["0", "0", "false", "1"], ["1", "1", "+1", "0"],
        ["a", "a", "\uff41", "b"], ["True", "True", "TRUE", "False"], ["5", "5", "005", "0"],
    ],
)  # fmt: skip
def test_two_spellings_of_one_class_are_refused_with_the_row(tmp_path: Path, labels: list[str]) -> None:
    assert _refusal(_csv(tmp_path, labels, encoding="utf-8")) == ("label-spelling", "train.csv, line 4")


@pytest.mark.parametrize(
    "labels",
    [["a-", "a-", "a+", "a+"], ["-1", "-1", "1", "1"], ["0.5", "0.5", "0", "0"], ["none", "none", "donor", "donor"]],
)
def test_classes_that_differ_stay_apart(tmp_path: Path, labels: list[str]) -> None:
    test = f"sequence,label\nACGAAA,{labels[0]}\nGCGCGC,{labels[2]}\n"
    assert len(read_task(_csv(tmp_path, labels, test)).classes) == 2


@pytest.mark.parametrize("label", ["", " ", "nan", "NaN", "None", "NULL", "null", "NA", "N/A", "<NA>", '""'])
def test_a_missing_label_is_refused_with_the_row(tmp_path: Path, label: str) -> None:
    assert _refusal(_csv(tmp_path, ["0", "1", label, "1"])) == ("label-missing", "train.csv, line 4")
    _csv(tmp_path, ["0", "0", "1", "1"])
    (tmp_path / "train.csv").unlink()
    text = "".join(f">r{at} x|{one}\n{SEQUENCES[at]}\n" for at, one in enumerate(["0", "1", label.strip('"'), "1"]))
    (tmp_path / "train.fna").write_text(text)
    assert _refusal(tmp_path) == ("label-missing", "train.fna, record 3")


@pytest.mark.parametrize(
    "labels", [[0, 1, None, 1], [0.0, 1.0, float("nan"), 1.0], ["0", "1", None, "1"], ["0", "1", "", "1"]]
)
def test_a_null_of_parquet_is_refused_with_the_row(tmp_path: Path, labels: list[Any]) -> None:
    _csv(tmp_path, ["0", "0", "1", "1"])
    (tmp_path / "train.csv").unlink()
    assert _refusal(_parquet(tmp_path, "train.parquet", labels)) == ("label-missing", "train.parquet, row 3")
    assert _refusal(_parquet(tmp_path, "train.parquet", [[0], [1], [1], [1]])) == ("label-type", "train.parquet, row 1")


def test_excels_byte_order_mark_and_line_ends_are_read(tmp_path: Path) -> None:
    _csv(tmp_path, ["0", "0", "1", "1"], encoding="utf-8-sig", newline="\r\n")
    assert (tmp_path / "train.csv").read_bytes().startswith(b"\xef\xbb\xbfsequence,label\r\n")
    assert _classes(read_task(tmp_path)) == [("0", 2, 1), ("1", 2, 1)]


def test_a_part_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    _csv(tmp_path, ["0", "0", "1", "1"])
    for name in ("train.fna", "train.parquet", "train-00000.parquet", "train"):
        path = tmp_path / name
        if name == "train":
            path.mkdir()
        elif name == "train.fna":
            path.write_text(">x|0\nACGT\n")
        else:
            _parquet(tmp_path, name, [0, 0, 1, 1])
        assert _refusal(tmp_path) == ("part-twice", str(tmp_path))
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "train.csv").unlink()
    for name in ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet"):
        _parquet(tmp_path, name, [0, 0, 1, 1])
    assert _classes(read_task(tmp_path)) == [("0", 4, 1), ("1", 4, 1)]
    _parquet(tmp_path, "train.parquet", [0, 0, 1, 1])
    assert _refusal(tmp_path) == ("part-twice", str(tmp_path))
    (tmp_path / "train.parquet").unlink()
    (tmp_path / "train-00000-of-00002.parquet").unlink()
    assert _refusal(tmp_path) == ("part-missing", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("sequence,label\nACGT,0,x\n", ", line 2"), ("sequence,label\nACGT\n", ", line 2"), ("sequence;label\n", ""),
        ("sequence,label,label\nACGT,0,1\n", ""), ("Sequence,Label\nACGT,0\n", ""),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_refused(tmp_path: Path, text: str, where: str) -> None:
    _csv(tmp_path, ["0", "0", "1", "1"])
    (tmp_path / "train.csv").write_text(text)
    assert _refusal(tmp_path) == ("csv-columns", f"train.csv{where}")
    (tmp_path / "train.csv").write_text("")
    assert _refusal(tmp_path) == ("empty-file", "train.csv")


def test_the_classes_and_what_is_in_both_parts_are_told(tmp_path: Path) -> None:
    task = read_task(_csv(tmp_path, ["0", "0", "1", "1"], TEST + "acgtac,0\n"))
    lines = [line.split()[1:] for line in class_lines(task)]
    assert lines[:3] == [["class", "train", "test"], ["0", "2", "2"], ["1", "2", "1"]]
    assert "1 of 3 test sequences" in " ".join(lines[3])


def test_rna_is_read_as_dna_and_other_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _csv(tmp_path, ["0", "0", "1", "1"])
    (tmp_path / "train.csv").write_text((tmp_path / "train.csv").read_text().replace("T", "U"))
    (tmp_path / "validation.csv").write_text(TEST)
    (ids, _), *_ = read_task(tmp_path).train
    assert ids.tobytes() == b"ACGTAC"
    said = capsys.readouterr().err
    assert "RNA" in said
    assert "validation.csv" in said
