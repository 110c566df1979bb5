"""`expand_inputs`: what a command line may name, in which order, and what is refused."""

import os
from pathlib import Path

import pytest
from refusal import refused

from corpus.streams.inputs import expand_inputs


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
    ("text", "kind", "where", "names"),
    [
        (b"", "list-empty", "list.txt", ""),
        (b"# nothing\n", "list-empty", "list.txt", ""),
        (b"a.fa\nno.fa\n", "missing-file", "list.txt, line 2: no.fa", ""),
        (b"\n*.bam\n", "pattern-without-match", "list.txt, line 2: *.bam", ""),
        (b"@list.txt\n", "list-entry", "list.txt, line 1", "'@list.txt'"),
        (b"-\n", "list-entry", "list.txt, line 1", "'-'"),
        (b"\xff\xfe", "not-text", "list.txt", ""),
        (b"a.fa\ndeep/../a.fa\n", "source-twice", "deep/../a.fa", "as a.fa"),
    ],
)
def test_lists_that_are_wrong(folder: Path, text: bytes, kind: str, where: str, names: str) -> None:
    (folder / "list.txt").write_bytes(text)
    with refused(kind, where=where, names=names):
        expand_inputs(["@list.txt"])


@pytest.mark.parametrize(
    ("arguments", "kind", "where", "fix"),
    [
        ([], "no-source", None, ""),
        (["no.fa"], "missing-file", "no.fa", ""),
        (["*.bam"], "pattern-without-match", "*.bam", ""),
        (["deep"], "is-a-directory", "deep", "'deep/*.fa.gz'"),
        (["a.fa", "b.fa", "a.fa"], "source-twice", "a.fa", ""),
        (["a.fa", "*.fa"], "source-twice", "a.fa", ""),
        (["-", "-"], "source-twice", "-", ""),
        (["@no.txt"], "missing-file", "no.txt", ""),
        (["@deep"], "is-a-directory", "deep", "'deep/*'"),
    ],
)
def test_refusals(folder: Path, arguments: list[str], kind: str, where: str | None, fix: str) -> None:
    with refused(kind, where=where, fix=fix):
        expand_inputs(arguments)


def test_a_link_to_a_named_file(folder: Path) -> None:
    os.symlink("a.fa", folder / "link.fa")
    with refused("source-twice", where="link.fa", names="a.fa"):
        expand_inputs(["a.fa", "link.fa"])
