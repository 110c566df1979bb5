"""JSON lines: fields, names, and lines that are too long."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import read, rows

from corpus.readers.jsonl import read_jsonl_stream
from foundation.errors import InputError


def write(folder: Path, *objects: object) -> Path:
    path = folder / "x.jsonl"
    path.write_text("".join(json.dumps(o) + "\n" for o in objects))
    return path


@given(texts=st.lists(st.text("ACGTNacgtn", min_size=1, max_size=200), min_size=1), blank=st.booleans())
def test_agrees_with_json(tmp_path_factory: pytest.TempPathFactory, texts: list[str], blank: bool) -> None:
    path = write(tmp_path_factory.mktemp("jsonl"), *({"text": text, "more": [text]} for text in texts))
    if blank:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\n \n"))
    expected = [json.loads(line)["text"].encode() for line in path.read_text().splitlines() if line.strip()]
    assert [sequence for _, _, sequence in read(path)] == expected


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"record": "r", "id": "i"}, "r"),
        ({"id": "i", "name": "n"}, "i"),
        ({"name": "n", "accession": "a"}, "n"),
        ({"accession": "NC_1.1"}, "NC_1.1"),
        ({"id": 7}, "7"),
        ({"record": None, "id": ["x"]}, ""),
        ({}, ""),
    ],
)
def test_names(tmp_path: Path, more: dict[str, object], name: str) -> None:
    assert read(write(tmp_path, {"text": "AC", **more})) == [(name, "", b"AC")]


def test_fields(tmp_path: Path) -> None:
    path = write(tmp_path, {"sequence": "AC", "seq": "GG"})
    assert read(path) == [("", "", b"AC")]
    assert read(path, field="seq") == [("", "", b"GG")]
    with pytest.raises(InputError, match=r"line 1 \(byte 0\): has no field 'x'; its fields are: 'sequence', 'seq'"):
        read(path, field="x")


def test_a_line_that_is_too_long(tmp_path: Path) -> None:
    first = b'{"text": "ACGT"}\n'
    stream = io.BufferedReader(io.BytesIO(first + b'{"text": "' + b"A" * 10_000_000))  # type: ignore[arg-type]
    batches = read_jsonl_stream(stream, Path("x.jsonl"), longest_line=1000)
    assert rows([next(batches)]) == [("", "", b"ACGT")]
    with pytest.raises(InputError, match=r"x.jsonl, line 2 \(byte 17\): is longer than 1,000 bytes"):
        next(batches)
    assert stream.tell() < 20_000


@pytest.mark.parametrize("length", [1000, 999, 1])
def test_a_line_of_just_the_length(tmp_path: Path, length: int) -> None:
    line = json.dumps({"text": "A" * 988}).encode() + b"\n"
    assert len(line) == 1001
    stream = io.BufferedReader(io.BytesIO(line[: 1001 - (1000 - length)] if length == 1 else line))  # type: ignore[arg-type]
    with pytest.raises(InputError):
        rows(read_jsonl_stream(stream, Path("x.jsonl"), longest_line=length))
