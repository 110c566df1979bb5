"""`read_fasta`: every letter of clean files, and one clear error for each kind of unclean one."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conduct.errors import InputError
from corpus.readers import window
from corpus.readers.fasta import Record, read_fasta

CLEAN = b">a first one\nACGT\nacgtN\n>b\nRYKM\n"
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
        gzip.compress(CLEAN),
        gzip.compress(CLEAN[:20]) + gzip.compress(CLEAN[20:]),
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
    ("text", "parts"),
    [
        (b"", ["is empty"]),
        (b"\n\n", ["holds no record"]),
        (gzip.compress(b""), ["holds no record"]),
        (b"hello\n>a\nACGT\n", ["does not start with '>'", "'hello'"]),
        (b"ACGT\n>a\nACGT\n", ["does not start with '>'", "'ACGT'"]),
        (b"@r\nACGT\n+\nIIII\n", ["is FASTQ", "seqtk seq -A"]),
        (b">a\nACGT\n+\nIIII\n", ["record 1 'a'", "'+' at base 5", "FASTQ"]),
        (b">a\nACGT\n@b\nAC\n", ["record 1 'a'", "'@' at base 5"]),
        (b">a\nA\n>b\n>c\nA\n", ["record 2 'b'", "has no sequence"]),
        (b">a\nA\n>b", ["record 2 'b'", "has no sequence"]),
        (b">\nACGT\n", ["record 1", "has no name"]),
        (b">a\nA\n> b\nACGT\n", ["record 2", "has no name", "'> b'"]),
        (b">a\nA\n>p\nMKTAYIAKQR\n", ["record 2 'p'", "'I' at base 6", "looks like protein"]),
        (b">p\nACGT*\n", ["'*' at base 5", "looks like protein"]),
        (b">a\nAC--GT\n", ["'-' at base 3", "alignment"]),
        (b">a\nACGT \nAC\n", ["byte 0x20 at base 5", "white space"]),
        (b">a\nAC\0GT\n", ["byte 0x00 at base 3", "repair"]),
        (b">a\nAC\xe9GT\n", ["byte 0xe9 at base 3"]),
        (b">a\nACGT>b\nAC\n", ["'>' at base 5", "must start its line"]),
        (b">a\nAC7\n", ["'7' at base 3"]),
        (b">a\rACGT\r>b\rAC\r", ["old Macintosh line ends"]),
    ],
)
def test_unclean_text(tmp_path: Path, text: bytes, parts: list[str]) -> None:
    path = tmp_path / "bad.fa"
    path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        list(read_fasta(path))
    for part in [str(path), *parts]:
        assert part in str(caught.value)


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def bad_checksum(data: bytes) -> bytes:
    return data[:-6] + bytes([data[-6] ^ 255]) + data[-5:]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (truncated, "truncated"),
        (lambda data: data[:15], "truncated"),
        (lambda data: data[:-4], "truncated"),
        (bad_checksum, "corrupt"),
        (lambda data: data[: len(data) // 2] + b"\0" * 50 + data[len(data) // 2 + 50 :], "corrupt"),
        (lambda data: data + b"garbage", "corrupt"),
    ],
)
def test_damaged_gzip(tmp_path: Path, damage: object, problem: str) -> None:
    assert callable(damage)
    path = tmp_path / "bad.fa.gz"
    path.write_bytes(damage(gzip.compress(long_text())))
    with pytest.raises(InputError, match=f"bad.fa.gz: is {problem}"):
        list(read_fasta(path))


def test_truncated_bgzf(tmp_path: Path) -> None:
    data = bgzf(tmp_path / "x.bgz", long_text())
    first_block = struct.unpack("<H", data[16:18])[0] + 1
    for cut in (first_block, first_block + 50, len(data) - 28):
        (tmp_path / "cut.bgz").write_bytes(data[:cut])
        with pytest.raises(InputError, match=r"cut.bgz: is truncated: the end block of bgzf is missing"):
            list(read_fasta(tmp_path / "cut.bgz"))


def test_missing_and_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.fa: does not exist"):
        list(read_fasta(tmp_path / "no.fa"))
    with pytest.raises(InputError, match="is a directory"):
        list(read_fasta(tmp_path))
