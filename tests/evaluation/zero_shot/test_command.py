"""`evaluate zero-shot` and `evaluate tasks` as a user gives them."""

import json
from pathlib import Path
from typing import Any

import pytest
from refusal import refused
from typer.testing import CliRunner

from genomic_llama.cli.main import app


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def scored(folder: Path, human: dict[str, str]) -> Path:
    """The data of one task, and of no other."""
    lines = ["chromosome\tstart\tend\tref\talt\tlabel"]
    for number, at in enumerate(range(40, 840, 33)):
        ref = human["chr1"][at - 1]
        lines.append(f"chr1\t{at - 1}\t{at}\t{ref}\t{'ACGT'.replace(ref, '')[0]}\t{number % 2}")
    (folder / "bend").mkdir()
    (folder / "bend" / "variant_effects_disease.bed").write_text("\n".join(lines) + "\n")
    return folder


def test_what_is_at_hand_is_run_and_the_rest_is_named(scored: Path, model_directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tasks = ("--task", "bend_disease", "--task", "brca1", "--task", "gue")
    done = run("zero-shot", model_directory, "--data", scored, *tasks, "--offline", "--out", out)
    assert done.exit_code == 0, done.output
    assert str(scored / "brca1" / "41586_2018_461_MOESM3_ESM.xlsx") in done.output
    assert done.output.count(str(scored / "gue")) == 84
    assert (out / "index.html").is_file()
    board = json.loads((out / "leaderboard.json").read_text())["leaderboard"]
    assert [len(task["ours"]) for task in board["tasks"]] == [1, 0, 0]
    assert [bool(task["missing"]) for task in board["tasks"]] == [False, True, True]
    assert len(list(out.glob("*/model_card.md"))) == 1
    again = run("zero-shot", model_directory, "--data", scored, *tasks, "--offline", "--out", out)
    assert "finished earlier" in again.output


def test_a_run_without_any_data_fails(model_directory: Path, tmp_path: Path) -> None:
    with refused("no-such-directory", where="nosuch"):
        run("zero-shot", model_directory, "--data", tmp_path / "nosuch", "--offline", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    done = run("zero-shot", model_directory, "--data", tmp_path / "empty", "--task", "brca1", "--offline", "--out",
               tmp_path / "out")  # fmt: skip
    assert done.exit_code == 1
    assert "no task was run" in done.output
    with refused("data-missing", where="empty"):
        run("zero-shot", model_directory, "--data", tmp_path / "empty", "--offline", "--shard", "1/2", "--out",
            tmp_path / "cut")  # fmt: skip


def test_without_offline_nothing_is_run_while_data_are_missing(
    scored: Path, model_directory: Path, tmp_path: Path
) -> None:
    tasks = ("--task", "bend_disease", "--task", "brca1")
    with refused("data-missing", where=scored, fix="brca1"):
        run("zero-shot", model_directory, "--data", scored, *tasks, "--out", tmp_path / "out")
    assert not (tmp_path / "out" / "index.html").exists()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("--offline", "--download"), "offline-download"),
        (("--task", "none"), "unknown-task"),
        (("--task", "none.yaml"), "missing-file"),
    ],
)
def test_options_that_cannot_be(arguments: tuple[str, ...], kind: str, model_directory: Path, tmp_path: Path) -> None:
    with refused(kind):
        run("zero-shot", model_directory, "--data", tmp_path, *arguments, "--out", tmp_path / "out")


def test_tasks_says_what_is_at_hand(scored: Path) -> None:
    listed = run("tasks", "--data", scored, "--task", "bend_disease", "--task", "brca2").output
    assert "present" in listed
    assert "1 of 2 files" in listed
    assert str(scored / "brca2" / "brca2_vep.parquet") in listed
    assert "brca2_vep.parquet" not in run("tasks", "--data", scored).output
