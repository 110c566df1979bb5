"""JSON lines: fields, names, and lines that are too long."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import read, rows
from refusal import refused

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
    with refused("no-text-field", where="x.jsonl, line 1 (byte 0)", names="'sequence', 'seq'"):
        read(path, field="x")


def test_a_line_that_is_too_long(tmp_path: Path) -> None:
    first = b'{"text": "ACGT"}\n'
    stream = io.BufferedReader(io.BytesIO(first + b'{"text": "' + b"A" * 10_000_000))  # type: ignore[arg-type]
    batches = read_jsonl_stream(stream, Path("x.jsonl"), longest_line=1000)
    assert rows([next(batches)]) == [("", "", b"ACGT")]
    with refused("line-too-long", where="x.jsonl, line 2 (byte 17)", names="1,000"):
        next(batches)
    assert stream.tell() < 20_000


@pytest.mark.parametrize("length", [1000, 999, 1])
def test_a_line_of_just_the_length(tmp_path: Path, length: int) -> None:
    line = json.dumps({"text": "A" * 988}).encode() + b"\n"
    assert len(line) == 1001
    stream = io.BufferedReader(io.BytesIO(line[: 1001 - (1000 - length)] if length == 1 else line))  # type: ignore[arg-type]
    with pytest.raises(InputError):
        rows(read_jsonl_stream(stream, Path("x.jsonl"), longest_line=length))


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "ACGT", "text": "TTTT"}',
        b'{"text": "ACGT", "te\\u0078t": "TTTT"}',
        b'{"record": "a", "text": "ACGT", "record": "b"}',
        b'{"text":"ACGT","more":{"x":1},"more":2}',
        '{"text": "ACGT", "größe": 1, "größe": 2}'.encode(),
    ],
    ids=["text", "written otherwise", "name", "unused", "not ASCII"],
)
def test_a_key_twice(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "AC"}\n' + line + b"\n")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "x.jsonl")
    assert caught.value.kind == "key-twice"
    assert str(caught.value.where) == f"{tmp_path / 'x.jsonl'}, line 2 (byte 15)"


@pytest.mark.parametrize(
    "row",
    [
        {"text": "ACGT", "record": "text"},
        {"text": "ACGT", "a": {"text": 1}, "b": [{"text": 2}]},
        {"text": "ACGT", "note": '"text": \\ "text"'},
    ],
)
def test_a_key_in_a_value_is_not_twice(tmp_path: Path, row: dict[str, object]) -> None:
    assert [sequence for _, _, sequence in read(write(tmp_path, row))] == [b"ACGT"]


def test_long_numbers_and_deep_nesting_where_a_key_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "AC", "n": "\\n", "m": ' + b"9" * 300 + b".5}\n")
    assert [sequence for _, _, sequence in read(tmp_path / "x.jsonl")] == [b"AC"]
    (tmp_path / "y.jsonl").write_bytes(b'{"text": "AC", "n": "\\n", "m": ' + b"[" * 1000 + b"]" * 1000 + b"}\n")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "y.jsonl")
    assert caught.value.kind == "json-depth"
