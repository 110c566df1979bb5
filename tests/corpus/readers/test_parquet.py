"""Parquet against pyarrow's own Python values, for every type of column that holds text."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import read, rows
from refusal import refused

from corpus.readers import parquet
from corpus.readers.formats import Slice, read_slice
from corpus.source_format import Format

KINDS = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "string_view": pa.string_view(),
    "binary_view": pa.binary_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "dictionary of large": pa.dictionary(pa.int8(), pa.large_string()),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@given(
    texts=st.lists(st.text("ACGTNacgtn", min_size=1, max_size=50), min_size=1, max_size=40),
    group=st.integers(1, 50),
    batch=st.integers(1, 300),
)
def test_agrees_with_pyarrow(
    tmp_path_factory: pytest.TempPathFactory, kind: pa.DataType, texts: list[str], group: int, batch: int
) -> None:
    path = tmp_path_factory.mktemp("parquet") / "x.parquet"
    column = pa.array(texts, pa.string()).cast(kind)
    names = [f"r{number}" for number in range(len(texts))]
    pq.write_table(pa.table({"text": column, "id": names}), path, row_group_size=group, compression="zstd")
    stored = [v if isinstance(v, bytes) else v.encode() for v in pq.read_table(path)["text"].to_pylist()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "BATCH_BYTES", batch)
        assert read(path) == [(name, "", text) for name, text in zip(names, stored, strict=True)]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"record": ["r", None]}, ["r", ""]),
        ({"id": [5, 6], "name": ["n", "m"]}, ["5", "6"]),
        ({"accession": [b"a", b"\xff"]}, ["a", "\\xff"]),
        ({"id": [0.5, 1.5], "name": ["n", "m"]}, ["n", "m"]),
        ({"other": ["x", "y"]}, ["", ""]),
    ],
)
def test_names(tmp_path: Path, columns: dict[str, list[object]], names: list[str]) -> None:
    pq.write_table(pa.table({**columns, "sequence": ["AC", "GT"]}), tmp_path / "x.parquet")
    assert [name for name, _, _ in read(tmp_path / "x.parquet")] == names


def test_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"sequence": ["AC"], "a.b": ["GG"]}), path)
    assert read(path) == [("", "", b"AC")]
    assert read(path, field="a.b") == [("", "", b"GG")]
    with refused("no-text-field", where="x.parquet", names="'sequence', 'a.b'"):
        read(path, field="x")


def test_errors_name_the_row_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": ["A"] * 25 + [None] + ["A"] * 9}), path, row_group_size=10)
    late = Slice(path=path, format=Format.PARQUET, start=1, stop=None)
    with refused("null-sequence", where="x.parquet, column 'text', row 26"):
        rows(read_slice(late, field=None, markup=False))


def test_damaged_pages(tmp_path: Path) -> None:
    """Seen by the checksums of the pages, where the writer made them."""
    path = tmp_path / "x.parquet"
    table = pa.table({"text": ["ACGTACGTAC" * 5, "GGCC" * 9]})
    options = {"use_dictionary": False, "compression": "none", "write_statistics": False}
    pq.write_table(table, path, write_page_checksum=True, **options)
    data = path.read_bytes()
    start = data.index(b"ACGTACGTAC")
    for place in range(start, start + 50):
        path.write_bytes(data[:place] + b"N" + data[place + 1 :])
        with refused("not-parquet", where="x.parquet"):
            read(path)
