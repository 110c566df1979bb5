"""`expand_inputs`: what a command line may name, in which order, and what is refused."""

import os
from pathlib import Path

import pytest
from refusal import refused

from corpus.streams.inputs import expand_inputs
from foundation.errors import InputError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files a to c, one with brackets in its name, and some in folders."""
    for name in ("b.fa", "a.fa", "c.fa.gz", "odd[1].fa", "deep/d.fa", "deep/deeper/e.fa", "lists/f.fa"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b">x\nA\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["b.fa", "a.fa"], ["b.fa", "a.fa"]),
        (["c.fa.gz", "[ab].fa"], ["c.fa.gz", "a.fa", "b.fa"]),
        (["odd[1].fa"], ["odd[1].fa"]),
        (["deep/**/*.fa"], ["deep/d.fa", "deep/deeper/e.fa"]),
        (["-", "a.fa"], ["-", "a.fa"]),
        (["d*"], None),
    ],
)
def test_paths_and_patterns(folder: Path, arguments: list[str], expected: list[str] | None) -> None:
    if expected is None:
        with refused("pattern-without-match", where="d*"):
            expand_inputs(arguments)
        return
    assert expand_inputs(arguments) == [Path(name) for name in expected]


def test_lists(folder: Path) -> None:
    (folder / "lists" / "all.txt").write_text(f"# genomes\n\nf.fa  # the first\n../[ab].fa\n{folder}/c.fa.gz\n")
    expected = ["lists/f.fa", "lists/../a.fa", "lists/../b.fa", str(folder / "c.fa.gz")]
    assert expand_inputs(["@lists/all.txt"]) == [Path(name) for name in expected]


def test_a_file_whose_name_begins_with_at(folder: Path) -> None:
    (folder / "@odd.fa").write_bytes(b">x\nA\n")
    assert expand_inputs(["@odd.fa"]) == [Path("@odd.fa")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "list.txt: names no file"),
        (b"# nothing\n", "list.txt: names no file"),
        (b"a.fa\nno.fa\n", "list.txt, line 2: no.fa: does not exist"),
        (b"\n*.bam\n", r"list.txt, line 2: \*.bam: matches no file"),
        (b"@list.txt\n", "list.txt, line 1: '@list.txt' cannot be in a list"),
        (b"-\n", "list.txt, line 1: '-' cannot be in a list"),
        (b"\xff\xfe", "list.txt: is not text"),
        (b"a.fa\ndeep/../a.fa\n", "deep/../a.fa: is named twice, also as a.fa"),
    ],
)
def test_lists_that_are_wrong(folder: Path, text: bytes, problem: str) -> None:
    (folder / "list.txt").write_bytes(text)
    with pytest.raises(InputError, match=problem):
        expand_inputs(["@list.txt"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "no input is named"),
        (["no.fa"], "no.fa: does not exist"),
        (["*.bam"], r"\*.bam: matches no file"),
        (["deep"], r"deep: is a directory. Name the files in it, e.g. with a wildcard: 'deep/\*.fa.gz'"),
        (["a.fa", "b.fa", "a.fa"], "a.fa: is named twice"),
        (["a.fa", "*.fa"], "a.fa: is named twice"),
        (["-", "-"], "-: is named twice"),
        (["@no.txt"], "no.txt: does not exist"),
        (["@deep"], "deep: is a directory"),
    ],
)
def test_refusals(folder: Path, arguments: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        expand_inputs(arguments)


def test_a_link_to_a_named_file(folder: Path) -> None:
    os.symlink("a.fa", folder / "link.fa")
    with refused("source-twice", where="link.fa"):
        expand_inputs(["a.fa", "link.fa"])
