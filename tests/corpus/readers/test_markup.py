"""OpenGenome2's tags and joins: fine with `markup`, named where they are wrong."""

import json
from pathlib import Path

import pytest
from reading import read
from refusal import refused

TAG = "|d__Bacteria;p__Pseudomonadota;s__Escherichia coli (K-12)|"


def write(folder: Path, *texts: str) -> Path:
    path = folder / "x.jsonl"
    path.write_text("".join(json.dumps({"id": f"r{n}", "text": text}) + "\n" for n, text in enumerate(texts, start=1)))
    return path


@pytest.mark.parametrize("text", ["ACGTN", TAG + "ACGT", "AC@GT#acgt", TAG + "AC@GT" + TAG + "GG", "AC" + TAG])
def test_fine(tmp_path: Path, text: str) -> None:
    assert read(write(tmp_path, "A", text), markup=True)[1] == ("r2", "", text.encode())


@pytest.mark.parametrize(
    ("text", "kind", "names"),
    [
        ("ACXGT", "not-nucleotides", "'X' at place 3"),
        (TAG[1:] + "AC", "not-nucleotides", "'_' at place 2"),
        (TAG[:-1] + "ACGT", "tag-not-closed", "place 1"),
        ("ACGT|" + "A" * 3000 + "|C", "tag-not-closed", "place 5"),
        ("|a\tb|AC", "tag-not-printable", "0x09 at place 3"),
        ("|é|AC", "tag-not-printable", "'é' at place 2"),
        (TAG, "no-sequence", ""),
        ("AC GT", "not-nucleotides", "0x20 at place 3"),
    ],
)
def test_wrong(tmp_path: Path, text: str, kind: str, names: str) -> None:
    with refused(kind, where="x.jsonl, record 2 'r2'", names=names):
        read(write(tmp_path, "A", text), markup=True)
