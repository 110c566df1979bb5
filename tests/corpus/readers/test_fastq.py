"""FASTQ against pysam, with lines and blocks anywhere."""

import io
from pathlib import Path

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import read, rows
from refusal import refused

from corpus.readers import fastq
from corpus.readers.fastq import read_fastq_stream
from corpus.scan import window

SEQUENCES = st.text("ACGTN", min_size=1, max_size=60)
NAMES = st.text("abc/:1", min_size=1, max_size=9)
COMMENTS = st.text("xyz 1", max_size=9).map(str.strip)


@given(
    records=st.lists(st.tuples(NAMES, COMMENTS, SEQUENCES), min_size=1, max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(1, 90),
    last=st.booleans(),
    quality=st.sampled_from("@+I>"),
)
def test_agrees_with_pysam(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[str, str, str]],
    end: str,
    block: int,
    last: bool,
    quality: str,
) -> None:
    path = tmp_path_factory.mktemp("fastq") / "x.fq"
    lines = [
        line
        for name, comment, sequence in records
        for line in (f"@{name} {comment}".rstrip(), sequence, "+", quality * len(sequence))
    ]
    path.write_bytes((end.join(lines) + (end if last else "")).encode())
    with pysam.FastxFile(str(path)) as reference:
        expected = [(r.name, r.comment or "", r.sequence.encode()) for r in reference]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "BLOCK", block)
        assert read(path) == expected
    assert [sequence.decode() for _, _, sequence in expected] == [sequence for _, _, sequence in records]


def test_a_record_without_end_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastq, "LONGEST_RECORD", 5000)
    monkeypatch.setattr(window, "BLOCK", 1000)
    stream = io.BufferedReader(io.BytesIO(b"@a\nAC\n+\nII\n@b\n" + b"A" * 100_000))  # type: ignore[arg-type]
    batches = read_fastq_stream(stream, Path("x.fq"))
    assert rows([next(batches)]) == [("a", "", b"AC")]
    with refused("record-too-long", where="x.fq, record 2 'b'", names="5,000"):
        next(batches)
    assert stream.tell() < 20_000
