"""`read_fasta`: every letter of clean files, and one clear error for each kind of unclean one."""

import gzip
import hashlib
import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import rows
from refusal import refused

from corpus.readers.fasta import Record, read_fasta, read_fasta_stream
from corpus.scan import window

CLEAN = b">a first one\nACGT\nacgtN\n>b\nRYKM\n"
LETTERS = st.text("ACGTacgtNRYKMSWn", min_size=1, max_size=80).map(str.encode)
RECORDS = [Record("a", "first one", b"ACGTacgtN"), Record("b", "", b"RYKM")]


def bgzf(path: Path, text: bytes) -> bytes:
    with pysam.BGZFile(str(path), "wb") as stream:
        stream.write(text)
    return path.read_bytes()


def long_text() -> bytes:
    return b">a\n" + os.urandom(60_000).hex().translate(str.maketrans("0123456789abcdef", "ACGT" * 4)).encode() + b"\n"


@pytest.mark.parametrize(
    "text",
    [
        CLEAN,
        CLEAN.replace(b"\n", b"\r\n"),
        CLEAN.rstrip(b"\n"),
        b"\n\n" + CLEAN.replace(b"\n", b"\n\n"),
        CLEAN.replace(b">a first", b">a\tfirst"),
        gzip.compress(CLEAN, mtime=0),
        gzip.compress(CLEAN[:20], mtime=0) + gzip.compress(CLEAN[20:], mtime=0),
    ],
    ids=["plain", "crlf", "no last line end", "blank lines", "tab", "gzip", "two gzip members"],
)
def test_reads_clean_files(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "clean.fa"
    path.write_bytes(text)
    assert list(read_fasta(path)) == RECORDS


def test_reads_bgzf(tmp_path: Path) -> None:
    text = long_text()
    bgzf(tmp_path / "x.bgz", text)
    assert [record.sequence for record in read_fasta(tmp_path / "x.bgz")] == [text[3:-1]]


@given(
    records=st.lists(
        st.binary(min_size=1, max_size=80).map(lambda x: x.translate(b"ACGTacgtNRYKMSWn" * 16)), min_size=1
    ),
    width=st.integers(1, 70),
    block=st.integers(1, 40),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
def test_lines_and_blocks_may_fall_anywhere(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], width: int, block: int, end: bytes
) -> None:
    path = tmp_path_factory.mktemp("fasta") / "any.fa"
    with open(path, "wb") as stream:
        for number, sequence in enumerate(records):
            lines = [b">r%d text" % number] + [sequence[i : i + width] for i in range(0, len(sequence), width)]
            stream.write(end.join(lines) + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "BLOCK", block)
        assert [record.sequence for record in read_fasta(path)] == records


@given(
    records=st.lists(st.tuples(st.text("ab|.é", min_size=1), st.text("x y"), LETTERS), min_size=1, max_size=9),
    width=st.integers(1, 70),
    block=st.integers(1, 200),
    full=st.integers(1, 200),
    most=st.integers(1, 3),
)
def test_batches_may_end_anywhere(
    records: list[tuple[str, str, bytes]], width: int, block: int, full: int, most: int
) -> None:
    text = b""
    for name, description, sequence in records:
        lines = [sequence[start : start + width] for start in range(0, len(sequence), width)]
        text += f">{name}\t{description}\n".encode() + b"\n".join(lines) + b"\n"
    stream = io.BufferedReader(io.BytesIO(text))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "BLOCK", block)
        patch.setattr(window, "BATCH_BYTES", full)
        patch.setattr(window, "RECORDS", most)
        batches = list(read_fasta_stream(stream, "x.fa"))
    assert rows(batches) == [(name, description.strip(), sequence) for name, description, sequence in records]
    for batch in batches:
        assert len(batch) == 1 or (len(batch) <= most and batch.bounds[-2] < full)
        assert not batch.tokens.flags.writeable


def test_memory_of_a_long_record(tmp_path: Path) -> None:
    """A process that reads a record of 128 MiB needs at most twice as much above what it had."""
    path = tmp_path / "long.fa"
    with open(path, "wb") as stream:
        stream.write(b">a\n")
        for _ in range(128):
            stream.write((b"ACGT" * 15 + b"\n") * ((1 << 20) // 60) + b"ACGT\n" * 4)
    (tmp_path / "short.fa").write_bytes(CLEAN)
    code = """
import resource, sys
from corpus.streams.compression import open_source
from corpus.readers.fasta import read_fasta_stream
from pathlib import Path
for path in map(Path, sys.argv[1:]):
    with open_source(path) as stream:
        bases = sum(len(batch.tokens) for batch in read_fasta_stream(stream, path))
    print(bases, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    arguments = [sys.executable, "-c", code, str(tmp_path / "short.fa"), str(path)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    (_, before), (bases, after) = (map(int, line.split()) for line in result.stdout.splitlines())
    assert bases > 128_000_000
    assert after - before < 2 * bases


def test_agrees_with_pysam_on_real_sequences(real_fasta: list[Path]) -> None:
    for path in real_fasta:
        with pysam.FastxFile(str(path)) as reference:
            expected = [(r.name, r.comment or "", r.sequence.encode()) for r in reference]
        assert [(r.name, r.description, r.sequence) for r in read_fasta(path)] == expected


def test_observes_the_stored_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.fa.gz"
    path.write_bytes(gzip.compress(CLEAN) + gzip.compress(b">c\nA\n"))
    digest = hashlib.sha256()
    assert len(list(read_fasta(path, observe=digest.update))) == 3
    assert digest.digest() == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize(
    ("text", "kind", "names", "fix"),
    [
        (b">a\nACGT\n+\nIIII\n", "not-nucleotides", "'+' at base 5", "FASTQ"),
        (b">a\nACGT\n@b\nAC\n", "not-nucleotides", "'@' at base 5", "--markup"),
        (b">a\nACGT*\n", "not-nucleotides", "'*' at base 5", "protein"),
        (b">a\nAC\xe9GT\n", "not-nucleotides", "0xe9 at base 3", "repair"),
        (">a\nACÜÉÜ\n".encode(), "not-nucleotides", "'Ü' at base 3", "repair"),
        (b">a\nACGT>b\nAC\n", "not-nucleotides", "'>' at base 5", "line end"),
        (b">a\nAC7\n", "not-nucleotides", "'7' at base 3", "repair"),
    ],
)
def test_letters_of_something_else(tmp_path: Path, text: bytes, kind: str, names: str, fix: str) -> None:
    """Beside those of the table in `malformed`."""
    (tmp_path / "bad.fa").write_bytes(text)
    with refused(kind, where="bad.fa, record 1 'a'", names=names, fix=fix):
        list(read_fasta(tmp_path / "bad.fa"))


def test_fastq_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.fa").write_bytes(b"@r\nACGT\n+\nIIII\n")
    with refused("fastq-for-fasta", where="bad.fa", fix="seqtk seq -A"):
        list(read_fasta(tmp_path / "bad.fa"))


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def bad_checksum(data: bytes) -> bytes:
    return data[:-6] + bytes([data[-6] ^ 255]) + data[-5:]


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (truncated, "compression-truncated"),
        (lambda data: data[:15], "compression-truncated"),
        (lambda data: data[:-4], "compression-truncated"),
        (bad_checksum, "compression-corrupt"),
        (lambda data: data[: len(data) // 2] + b"\0" * 50 + data[len(data) // 2 + 50 :], "compression-corrupt"),
        (lambda data: data + b"garbage", "compression-corrupt"),
    ],
)
def test_damaged_gzip(tmp_path: Path, damage: object, kind: str) -> None:
    assert callable(damage)
    path = tmp_path / "bad.fa.gz"
    path.write_bytes(damage(gzip.compress(long_text())))
    with refused(kind, where="bad.fa.gz", names="byte "):
        list(read_fasta(path))


def test_truncated_bgzf(tmp_path: Path) -> None:
    data = bgzf(tmp_path / "x.bgz", long_text())
    first_block = struct.unpack("<H", data[16:18])[0] + 1
    for cut in (first_block, first_block + 50, len(data) - 28):
        (tmp_path / "cut.bgz").write_bytes(data[:cut])
        with refused("compression-truncated", where="cut.bgz"):
            list(read_fasta(tmp_path / "cut.bgz"))


def test_missing_and_directory(tmp_path: Path) -> None:
    with refused("missing-file", where="no.fa"):
        list(read_fasta(tmp_path / "no.fa"))
    with refused("is-a-directory", where=tmp_path):
        list(read_fasta(tmp_path))
