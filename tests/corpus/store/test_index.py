"""The indexed dataset: what is written is read back. That Megatron reads it too is in test_data_module."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from conduct.errors import InputError
from corpus.store.index import TokenIndex
from corpus.store.index_format import HEADER, bin_path, idx_path
from corpus.store.index_writer import IndexWriter

DOCUMENTS = [bytes([65 + n % 20]) * (n % 7 + 1) + b"\0" for n in range(200)]


def write(prefix: Path, *, longest_sequence: int = 2**31 - 1) -> Path:
    with IndexWriter(prefix, longest_sequence=longest_sequence) as writer:
        for document in DOCUMENTS:
            writer.add_document(document[:-1], b"\0")
        assert (writer.documents, writer.tokens) == (200, len(b"".join(DOCUMENTS)))
    return prefix


@pytest.mark.parametrize("longest_sequence", [2**31 - 1, 3, 4])
def test_round_trip(tmp_path: Path, longest_sequence: int) -> None:
    index = TokenIndex(write(tmp_path / "train", longest_sequence=longest_sequence))
    assert [index.document(number).tobytes() for number in range(index.documents)] == DOCUMENTS
    assert index.read(0, index.tokens).tobytes() == b"".join(DOCUMENTS)
    assert index.read(5, 9).tobytes() == b"".join(DOCUMENTS)[5:9]
    assert index.read(5, 5).tobytes() == b""
    assert pickle.loads(pickle.dumps(index)).document(7).tobytes() == DOCUMENTS[7]


@pytest.mark.parametrize("longest_sequence", [2**31 - 1, 3, 4])
def test_starts(tmp_path: Path, longest_sequence: int) -> None:
    index = TokenIndex(write(tmp_path / "train", longest_sequence=longest_sequence))
    expected = np.cumsum([0] + [len(document) for document in DOCUMENTS])
    for first, last in ((0, 200), (0, 1), (7, 30), (199, 200)):
        assert index.starts(first, last).tolist() == expected[first : last + 1].tolist()
    for first, last in ((0, 0), (-1, 2), (5, 201)):
        with pytest.raises(IndexError):
            index.starts(first, last)


def test_a_document_longer_than_int32_is_several_sequences(tmp_path: Path) -> None:
    """With the real limit, and the tokens thrown away: the lengths in the index are what counts."""

    class Discard(io.BytesIO):
        def write(self, part: object, /) -> int:
            return 0

    class Counting(IndexWriter):
        def __init__(self, prefix: Path) -> None:
            super().__init__(prefix)
            self._bin.close()
            self._bin = Discard()

    part = memoryview(np.zeros(2**31 + 5, dtype=np.uint8).data)  # untouched pages take no memory
    with Counting(tmp_path / "train") as writer:
        writer.add_document(part)
    with open(idx_path(tmp_path / "train"), "rb") as stream:
        assert HEADER.unpack(stream.read(HEADER.size))[3:] == (2, 2)
        assert np.fromfile(stream, "<i4", 2).tolist() == [2**31 - 1, 6]
        assert np.fromfile(stream, "<i8", 4).tolist() == [0, 2**31 - 1, 0, 2]


def test_outside(tmp_path: Path) -> None:
    index = TokenIndex(write(tmp_path / "train"))
    for start, stop in ((-1, 2), (3, 2), (0, index.tokens + 1)):
        with pytest.raises(IndexError):
            index.read(start, stop)
    with pytest.raises(IndexError):
        index.document(200)


def patch_header(path: Path, **fields: int) -> None:
    data = path.read_bytes()
    magic, version, dtype, sequences, marks = HEADER.unpack(data[: HEADER.size])
    values = {"version": version, "dtype": dtype} | fields
    path.write_bytes(HEADER.pack(magic, values["version"], values["dtype"], sequences, marks) + data[HEADER.size :])


def test_damaged_index(tmp_path: Path) -> None:
    path = idx_path(write(tmp_path / "train"))
    good = path.read_bytes()
    for change, problem in (
        (lambda: patch_header(path, dtype=8), "dtype code 8"),
        (lambda: patch_header(path, version=2), "format version 2"),
        (lambda: path.write_bytes(good[:-1]), "truncated"),
        (lambda: path.write_bytes(good[:10]), "no Megatron index"),
        (lambda: path.write_bytes(b"x" * 100), "no Megatron index"),
        (path.unlink, "does not exist"),
    ):
        path.write_bytes(good)
        change()
        with pytest.raises(InputError, match=problem) as caught:
            TokenIndex(tmp_path / "train")
        assert "train.idx" in str(caught.value)


def test_truncated_tokens(tmp_path: Path) -> None:
    index = TokenIndex(write(tmp_path / "train"))
    with open(bin_path(index.prefix), "r+b") as stream:
        stream.truncate(10)
    with pytest.raises(InputError, match=r"train.bin: is shorter"):
        index.read(0, 20)
    bin_path(index.prefix).unlink()
    with pytest.raises(InputError, match=r"train.bin: does not exist"):
        TokenIndex(index.prefix)
