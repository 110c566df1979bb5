"""Formats told by content, and slices: whatever the cuts, together they are the whole file."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from reading import Row, read, rows, twobit, write_eden
from refusal import refused

from corpus.readers.formats import Slice, detect_format, read_slice, slices
from corpus.scan import window
from corpus.source_format import Format

ROWS: list[Row] = [("a", "", b"ACGTN"), ("b", "", b"acgtnACG"), ("c", "", b"G"), ("d", "", b"TTTTTTTTTTTTTTTTTTTT")]

FASTA = b"\n>a\nACG\nTN\n>b\n\nacgtn\nACG\n>c\r\nG\r\n>d\nTTTTTTTTTTTT\nTTTTTTTT"
JSONL = (
    b'\n{"id": "a", "text": "ACGTN"}\n{"id":"b","text":"acgtnACG"}\n\n{"id":"c","text":"G"}\r\n'
    + json.dumps({"id": "d", "text": "T" * 20}).encode()
)

ONE_FILE = [format for format in Format if format is not Format.MEGATRON]


def write(folder: Path, format: Format) -> Path:
    """`ROWS` in `format`, under a name that says nothing."""
    path = folder / "genome.dat"
    match format:
        case Format.FASTA:
            path.write_bytes(FASTA)
        case Format.FASTQ:
            path.write_bytes(b"".join(b"@%s\n%s\n+\n%s\n" % (n.encode(), s, b"@" * len(s)) for n, _, s in ROWS))
        case Format.JSONL:
            path.write_bytes(JSONL)
        case Format.PARQUET:
            table = pa.table({"id": [n for n, _, _ in ROWS], "text": [s.decode() for _, _, s in ROWS]})
            pq.write_table(table, path, row_group_size=1)
        case Format.TWOBIT:
            path.write_bytes(twobit([(n, s) for n, _, s in ROWS]))
        case Format.SHARDED_EDEN:
            write_eden(path, [(n, s.decode()) for n, _, s in ROWS])
    return path


@pytest.mark.parametrize("format", ONE_FILE)
def test_told_by_content_and_read(tmp_path: Path, format: Format) -> None:
    path = write(tmp_path, format)
    assert detect_format(path) is format
    assert read(path) == ROWS
    wrong = path.rename(path.with_name("x.fastq" if format is Format.FASTA else "x.fa"))
    assert detect_format(wrong) is format


@pytest.mark.parametrize("format", [Format.FASTA, Format.FASTQ, Format.JSONL])
@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_compressed_text(tmp_path: Path, format: Format, compress: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path, format)
    path.write_bytes(compress(path.read_bytes()))
    assert (detect_format(path), read(path)) == (format, ROWS)
    assert slices(path, format, 10) == [Slice(path=path, format=format, start=0, stop=None)]


@pytest.mark.parametrize("format", [Format.PARQUET, Format.TWOBIT, Format.SHARDED_EDEN])
def test_compressed_binary_formats(tmp_path: Path, format: Format) -> None:
    path = write(tmp_path, format)
    path.write_bytes(gzip.compress(path.read_bytes()))
    with refused("compressed-format", where=path, names=format.value):
        detect_format(path)


def test_unknown_content(tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_bytes(b"\x7fELF")
    with refused("unknown-format", where="x.dat", names="ELF"):
        detect_format(tmp_path / "x.dat")
    (tmp_path / "x.fa.gz").write_bytes(gzip.compress(b"hello"))
    assert detect_format(tmp_path / "x.fa.gz") is Format.FASTA  # whose reader says what is wrong
    (tmp_path / "empty.fa").touch()
    with refused("empty-file", where="empty.fa"):
        detect_format(tmp_path / "empty.fa")


@pytest.mark.parametrize("format", [Format.FASTA, Format.JSONL])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_text_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: Format, block: int) -> None:
    """Two cuts at every pair of bytes: each record comes once, and in order."""
    monkeypatch.setattr(window, "BLOCK", block)
    path = write(tmp_path, format)
    size = path.stat().st_size
    parts: dict[tuple[int, int | None], list[Row]] = {}

    def part(start: int, stop: int | None) -> list[Row]:
        if (start, stop) not in parts:
            cut = Slice(path=path, format=format, start=start, stop=stop)
            parts[start, stop] = rows(read_slice(cut, field=None, markup=False))
        return parts[start, stop]

    for first in range(1, size):
        assert part(0, first) + part(first, None) == ROWS
        for second in range(first, size, 1 if block == 7 else 13):
            assert part(0, first) + part(first, second) + part(second, None) == ROWS


@pytest.mark.parametrize("format", [Format.FASTA, Format.JSONL, Format.PARQUET, Format.TWOBIT])
@pytest.mark.parametrize("target", [1, 5, 17, 40, 1 << 20])
def test_slices_are_the_whole_file(tmp_path: Path, format: Format, target: int) -> None:
    path = write(tmp_path, format)
    parts = slices(path, format, target)
    assert len(parts) > 1 if target < 40 else len(parts) >= 1
    assert (parts[0].start, parts[-1].stop) == (0, None)
    assert [part.stop for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert [row for part in parts for row in rows(read_slice(part, field=None, markup=False))] == ROWS


@pytest.mark.parametrize("format", [Format.FASTQ, Format.SHARDED_EDEN])
def test_formats_that_stay_whole(tmp_path: Path, format: Format) -> None:
    path = write(tmp_path, format)
    assert slices(path, format, 1) == [Slice(path=path, format=format, start=0, stop=None)]


@pytest.mark.parametrize("format", ONE_FILE)
def test_observed(tmp_path: Path, format: Format) -> None:
    """Text is observed whole and in order; of the others, what was read."""
    path, blocks = write(tmp_path, format), bytearray()
    whole = Slice(path=path, format=format, start=0, stop=None)
    assert rows(read_slice(whole, field=None, markup=False, observe=blocks.extend)) == ROWS
    if format in (Format.FASTA, Format.FASTQ, Format.JSONL):
        assert blocks == path.read_bytes()
    assert blocks


def test_errors_in_a_slice_name_their_place(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "ACGT"}\n' * 5 + b"broken\n" + b'{"text": "ACGT"}\n')
    late = Slice(path=path, format=Format.JSONL, start=40, stop=None)
    with refused("not-json", where="x.jsonl, line 6 (byte 85)"):
        rows(read_slice(late, field=None, markup=False))
    path = tmp_path / "x.fa"
    path.write_bytes(b">a\nACGT\n>b\n>c\nA\n")
    late = Slice(path=path, format=Format.FASTA, start=4, stop=None)
    with refused("no-sequence", where="x.fa, from byte 4, record 1 'b'"):
        rows(read_slice(late, field=None, markup=False))


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_standard_input(compress: Callable[[bytes], bytes]) -> None:
    code = """
from pathlib import Path
from corpus.readers.formats import *
path = Path("-")
format = detect_format(path)
[part] = slices(path, format, 1)
[batch] = read_slice(part, field=None, markup=False)
print(format.value, batch.names, batch.tokens.tobytes())
"""
    result = subprocess.run([sys.executable, "-c", code], input=compress(JSONL), capture_output=True, check=True)
    tokens = b"".join(sequence + b"\0" for _, _, sequence in ROWS)
    assert result.stdout.decode() == f"jsonl ['a', 'b', 'c', 'd'] {tokens!r}\n"
