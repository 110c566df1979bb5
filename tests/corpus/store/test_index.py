"""The indexed dataset: what is written is read back. That Megatron reads it too is in test_data_module."""

import io
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xxhash
from refusal import refused

from corpus.store import stream as stream_module
from corpus.store.index import TokenIndex
from corpus.store.index_format import HEADER, bin_path, idx_path
from corpus.store.index_writer import IndexWriter
from corpus.store.stream import TokenStream

DOCUMENTS = [bytes([65 + n % 20]) * (n % 7 + 1) + b"\0" for n in range(200)]
ALL = b"".join(DOCUMENTS)


def write(prefix: Path, documents: list[bytes] = DOCUMENTS, *, longest_sequence: int = 2**31 - 1) -> Path:
    with IndexWriter(prefix, longest_sequence=longest_sequence) as writer:
        for group in (documents[:1], documents[1:50], documents[50:]):
            tokens = np.frombuffer(b"".join(group), dtype=np.uint8)
            writer.add([tokens], np.array([len(document) for document in group], dtype=np.int64))
        assert (writer.documents, writer.tokens) == (len(documents), len(b"".join(documents)))
        assert writer.checksum() == xxhash.xxh3_128_hexdigest(b"".join(documents))
    return prefix


@pytest.mark.parametrize("longest_sequence", [2**31 - 1, 3, 4])
def test_round_trip(tmp_path: Path, longest_sequence: int) -> None:
    stream = TokenStream([write(tmp_path / "train", longest_sequence=longest_sequence)])
    assert [stream.document(number).tobytes() for number in range(stream.documents)] == DOCUMENTS
    assert stream.read(0, stream.tokens).tobytes() == ALL
    assert stream.read(5, 9).tobytes() == ALL[5:9]
    assert stream.read(5, 5).tobytes() == b""
    assert pickle.loads(pickle.dumps(stream)).document(7).tobytes() == DOCUMENTS[7]


@pytest.mark.parametrize("open_shards", [1, 2, 128])
def test_shards_are_one_stream(tmp_path: Path, open_shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "OPEN_SHARDS", open_shards)
    edges = (0, 1, 60, 61, 200)
    shards = [write(tmp_path / f"train-{n}", DOCUMENTS[a:b]) for n, (a, b) in enumerate(pairwise(edges))]
    stream = TokenStream(shards)
    assert (stream.documents, stream.tokens) == (200, len(ALL))
    random = np.random.default_rng(0)
    for _ in range(200):
        start, stop = sorted(random.integers(0, len(ALL) + 1, size=2).tolist())
        assert stream.read(start, stop).tobytes() == ALL[start:stop]
        first, last = sorted(random.choice(201, size=2, replace=False).tolist())
        ends = np.cumsum([0, *(len(document) for document in DOCUMENTS)])
        assert stream.starts(first, last).tolist() == ends[first : last + 1].tolist()
    assert [stream.document(number).tobytes() for number in range(200)] == DOCUMENTS


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

    tokens = np.zeros(2**31 + 5, dtype=np.uint8)  # untouched pages take no memory
    with Counting(tmp_path / "train") as writer:
        writer.add([tokens], np.array([len(tokens)]))
    with open(idx_path(tmp_path / "train"), "rb") as stream:
        assert HEADER.unpack(stream.read(HEADER.size))[3:] == (2, 2)
        assert np.fromfile(stream, "<i4", 2).tolist() == [2**31 - 1, 6]
        assert np.fromfile(stream, "<i8", 4).tolist() == [0, 2**31 - 1, 0, 2]


def test_outside(tmp_path: Path) -> None:
    stream = TokenStream([write(tmp_path / "train")])
    for start, stop in ((-1, 2), (3, 2), (0, stream.tokens + 1)):
        with pytest.raises(IndexError):
            stream.read(start, stop)
    for first, last in ((-1, 2), (3, 3), (0, 201)):
        with pytest.raises(IndexError):
            stream.starts(first, last)
    with pytest.raises(IndexError):
        stream.document(200)


def patch_header(path: Path, **fields: int) -> None:
    data = path.read_bytes()
    magic, version, dtype, sequences, marks = HEADER.unpack(data[: HEADER.size])
    values = {"version": version, "dtype": dtype} | fields
    path.write_bytes(HEADER.pack(magic, values["version"], values["dtype"], sequences, marks) + data[HEADER.size :])


def test_damaged_index(tmp_path: Path) -> None:
    path = idx_path(write(tmp_path / "train"))
    good = path.read_bytes()
    for change, kind, names in (
        (lambda: patch_header(path, dtype=8), "token-dtype", "code 8"),
        (lambda: patch_header(path, version=2), "megatron-index-version", "2"),
        (lambda: path.write_bytes(good[:-1]), "index-truncated", "4,041"),
        (lambda: path.write_bytes(good[:10]), "not-a-megatron-index", ""),
        (lambda: path.write_bytes(b"x" * 100), "not-a-megatron-index", ""),
        (path.unlink, "missing-file", ""),
    ):
        path.write_bytes(good)
        change()
        with refused(kind, where="train.idx", names=names):
            TokenIndex(tmp_path / "train")


@pytest.mark.parametrize("column", ["offsets", "marks"])
@pytest.mark.parametrize("value", [-1, 0, 5000, 2**62])
def test_documents_out_of_order(tmp_path: Path, column: str, value: int) -> None:
    path = idx_path(write(tmp_path / "train"))
    place = HEADER.size + (4 * 200 + 8 * 100 if column == "offsets" else 12 * 200 + 8 * 100)
    data = bytearray(path.read_bytes())
    data[place : place + 8] = value.to_bytes(8, "little", signed=True)
    path.write_bytes(data)
    with refused("documents-out-of-order", where="train.idx"):
        TokenIndex(tmp_path / "train").starts(90, 110)


def test_truncated_tokens(tmp_path: Path) -> None:
    prefix = write(tmp_path / "train")
    stream = TokenStream([prefix])
    with open(bin_path(prefix), "r+b") as file:
        file.truncate(10)
    with refused("file-shrank", where="train.bin"):
        stream.read(0, 20)
    bin_path(prefix).unlink()
    with refused("missing-file", where="train.bin"):
        TokenIndex(prefix)


@pytest.mark.parametrize("path", [bin_path, idx_path])
def test_files_that_are_replaced_while_they_are_in_use(tmp_path: Path, path: Callable[[Path], Path]) -> None:
    """As by `prepare --overwrite`: what is open stays as it was, what is opened later is another's."""
    prefix = write(tmp_path / "train")
    opened, later = TokenStream([prefix]), TokenStream([prefix])
    assert opened.document(7).tobytes() == DOCUMENTS[7]
    replaced = path(prefix)
    replaced.rename(tmp_path / "old")
    replaced.write_bytes((tmp_path / "old").read_bytes())
    assert opened.document(8).tobytes() == DOCUMENTS[8]
    with refused("index-replaced", where=replaced.name):
        later.document(7)


def test_large_batches_are_written_in_order_and_checksummed(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    batches = [random.integers(65, 90, size, dtype=np.uint8) for size in (1 << 21, 10, 1 << 20, 1 << 22, 7)]
    with IndexWriter(tmp_path / "train") as writer:
        for batch in batches:
            writer.add([batch], np.array([len(batch)]))
    tokens = np.concatenate(batches).tobytes()
    assert (tmp_path / "train.bin").read_bytes() == tokens
    assert writer.checksum() == xxhash.xxh3_128_hexdigest(tokens)


def test_a_disk_that_is_full_is_told_of_a_large_batch(tmp_path: Path) -> None:
    (tmp_path / "train.bin").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"), IndexWriter(tmp_path / "train") as writer:
        writer.add([np.full(1 << 21, 65, dtype=np.uint8)], np.array([1 << 21]))
    assert not (tmp_path / "train.idx").exists()
