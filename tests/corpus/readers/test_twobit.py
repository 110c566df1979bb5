"""2bit against a writer made from UCSC's specification."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import read, rows, twobit
from refusal import refused

from corpus.readers.formats import read_slice, slices
from corpus.source_format import Format

SEQUENCES = st.text("ACGTacgtNn", min_size=1, max_size=90).map(str.encode)
NAMES = st.text("chr1_é", min_size=1, max_size=20)


@given(
    sequences=st.lists(st.tuples(NAMES, SEQUENCES), min_size=1, max_size=6),
    order=st.sampled_from("<>"),
    version=st.sampled_from([0, 1]),
    target=st.integers(1, 200),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    sequences: list[tuple[str, bytes]],
    order: str,
    version: int,
    target: int,
) -> None:
    path = tmp_path_factory.mktemp("twobit") / "x.2bit"
    path.write_bytes(twobit(sequences, order=order, version=version))
    expected = [(name, "", sequence) for name, sequence in sequences]
    assert read(path) == expected
    parts = slices(path, Format.TWOBIT, target)
    assert [row for part in parts for row in rows(read_slice(part, field=None, markup=False))] == expected


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_cut_anywhere(tmp_path: Path, order: str, version: int) -> None:
    data = twobit([("a", b"ACGTNNacgtAC"), ("b", b"GGGG")], order=order, version=version)
    path = tmp_path / "x.2bit"
    for cut in range(4, len(data)):
        path.write_bytes(data[:cut])
        with refused("file-truncated", where="x.2bit"):
            read(path)
