"""OpenGenome2's tags and joins: fine with `markup`, named where they are wrong."""

import json
from pathlib import Path

import pytest
from reading import read

from foundation.errors import InputError

TAG = "|d__Bacteria;p__Pseudomonadota;s__Escherichia coli (K-12)|"


def write(folder: Path, *texts: str) -> Path:
    path = folder / "x.jsonl"
    path.write_text("".join(json.dumps({"id": f"r{n}", "text": text}) + "\n" for n, text in enumerate(texts, start=1)))
    return path


@pytest.mark.parametrize("text", ["ACGTN", TAG + "ACGT", "AC@GT#acgt", TAG + "AC@GT" + TAG + "GG", "AC" + TAG])
def test_fine(tmp_path: Path, text: str) -> None:
    assert read(write(tmp_path, "A", text), markup=True)[1] == ("r2", "", text.encode())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ACXGT", "'X' at place 3 is not an IUPAC nucleotide letter and is in no tag"),
        (TAG[1:] + "AC", "record 2 'r2': '_' at place 2 is no IUPAC"),
        (TAG[:-1] + "ACGT", "the tag that opens at place 1 does not close"),
        ("ACGT|" + "A" * 3000 + "|C", "the tag that opens at place 5 does not close within 2,048 characters"),
        ("|a\tb|AC", "byte 0x09 at place 3 is in a tag and is not printable"),
        ("|é|AC", "byte 0xc3 at place 2 is in a tag"),
        (TAG, "has tags and no bases"),
        ("AC GT", "byte 0x20 at place 3"),
    ],
)
def test_wrong(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read(write(tmp_path, "A", text), markup=True)
