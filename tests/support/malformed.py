"""Files that are wrong, or only look it, and what each must give: its records, or an error that says what is wrong."""

import gzip
import io
import random
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pysam
import zstandard
from reading import Row, twobit, write_eden


@dataclass(frozen=True)
class Refusal:
    """What `refused` asserts of an error. `place`: what its `where` has after the name of the file."""

    kind: str
    place: str = ""
    names: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Case:
    """A file, and `result`: its records, or its error."""

    name: str
    file: str
    content: bytes
    result: list[Row] | Refusal


AB: list[Row] = [("a", "", b"ACGT"), ("b", "", b"GGCC")]
CLEAN = b">a\nACGT\n>b\nGGCC\n"
FASTQ = b"@a\nACGT\n+\nIIII\n@b\nGGCC\n+\n@@@@\n"
JSONL = b'{"id": "a", "text": "ACGT"}\n{"id": "b", "text": "GGCC"}\n'


def parquet(**columns: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def sqlite(statements: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "x")
        connection.executescript(statements)
        connection.close()
        return (Path(folder) / "x").read_bytes()


def eden(*rows: tuple[object, object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_eden(Path(folder) / "x", rows, "CREATE TABLE sequences (contig_id TEXT, nt_sequence TEXT)")
        return (Path(folder) / "x").read_bytes()


def bgzf(text: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with pysam.BGZFile(f"{folder}/x", "wb") as stream:
            stream.write(text)
        return (Path(folder) / "x").read_bytes()


def spoiled(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


GZ, BGZ, ZST = gzip.compress(CLEAN), bgzf(CLEAN), zstandard.ZstdCompressor(write_checksum=True).compress(CLEAN)
PARQUET = parquet(id=["a", "b"], text=["ACGT", "GGCC"])
TWOBIT = twobit([("a", b"ACGT"), ("b", b"GGCC")])
EDEN = eden(("a", "ACGT"), ("b", "GGCC"))
LONG_LINE = b">a\n" + bytes(random.Random(0).choices(b"ACGT", k=2_000_000)) + b"\n"

COMPRESSION = [
    Case("gzip", "x.fa.gz", GZ, AB),
    Case("gzip without its extension", "x.fa", GZ, AB),
    Case("text with the extension of gzip", "x.fa.gz", CLEAN, AB),
    Case("truncated gzip", "x.fa.gz", GZ[:-9], Refusal("compression-truncated", names="byte 0")),
    Case("gzip without its last byte", "x.fa.gz", GZ[:-1], Refusal("compression-truncated", names="byte 0")),
    Case("bad checksum", "x.fa.gz", spoiled(GZ, len(GZ) - 5), Refusal("compression-corrupt", names="byte 0")),
    Case("bad size", "x.fa.gz", spoiled(GZ, len(GZ) - 1), Refusal("compression-corrupt", names="byte 0")),
    Case("garbage after gzip", "x.fa.gz", GZ + b"\n<html>", Refusal("compression-corrupt", names=f"byte {len(GZ)}")),
    Case("nothing in gzip", "x.fa.gz", gzip.compress(b""), Refusal("no-record")),
    Case("bgzf", "x.fa.gz", BGZ, AB),
    Case(
        "bgzf cut between blocks", "x.fa.gz", BGZ[:-28], Refusal("compression-truncated", names=f"byte {len(BGZ) - 28}")
    ),
    Case("garbage after bgzf", "x.fa.gz", BGZ + b"garbage", Refusal("compression-corrupt", names=f"byte {len(BGZ)}")),
    Case("bgzf cut in a block", "x.fa.gz", BGZ[:30], Refusal("compression-truncated", names="byte 0 of 30")),
    Case("zstd", "x.fa.zst", ZST, AB),
    Case("zstd of more than a block", "x", zstandard.compress(LONG_LINE), [("a", "", LONG_LINE[3:-1])]),
    Case("truncated zstd", "x.fa.zst", ZST[:-6], Refusal("compression-truncated", names="byte 0")),
    Case(
        "bad checksum of zstd", "x.fa.zst", spoiled(ZST, len(ZST) - 1), Refusal("compression-corrupt", names="byte 0")
    ),
    Case("bzip2", "x.fa.bz2", b"BZh91AY&SY", Refusal("unread-compression", names="bzip2", fix="bzip2 -dc")),
    Case("xz", "x.fa.xz", b"\xfd7zXZ\0\0\0", Refusal("unread-compression", names="xz", fix="xz -dc")),
    Case("zip", "x.zip", b"PK\x03\x04\0\0", Refusal("unread-compression", names="zip", fix="unzip")),
]

TEXT = [
    Case("empty", "x.fa", b"", Refusal("empty-file")),
    Case("blank", "x.fa", b"\n \n", Refusal("not-fasta", names="' '")),
    Case("blank lines only", "x.fa", b"\n\n", Refusal("no-record")),
    Case("CRLF", "x.fa", CLEAN.replace(b"\n", b"\r\n"), AB),
    Case("CR only", "x.fa", CLEAN.replace(b"\n", b"\r"), Refusal("mac-line-ends", fix="tr")),
    Case(
        "CR in the sequence",
        "x.fa",
        b">a\nAC\rGT\n",
        Refusal("not-nucleotides", ", record 1 'a'", names="0x0d at base 3", fix="tr"),
    ),
    Case("blank lines between", "x.fa", CLEAN.replace(b"\n", b"\n\n"), AB),
    Case("no last line end", "x.fa", CLEAN[:-1], AB),
    Case("an empty record", "x.fa", b">a\n>b\nAC\n", Refusal("no-sequence", ", record 1 'a'")),
    Case("an empty last record", "x.fa", b">a\nAC\n>b\n", Refusal("no-sequence", ", record 2 'b'")),
    Case("a header only", "x.fa", b">a", Refusal("no-sequence", ", record 1 'a'")),
    Case("no name", "x.fa", b">a\nAC\n> x\nAC\n", Refusal("no-record-name", ", record 2", names="'> x'")),
    Case("text before the first header", "x.fa", b"; by me\n>a\nAC\n", Refusal("not-fasta", names="'; by me'")),
    Case("the same name twice", "x.fa", b">a\nAC\n>a\nGT\n", [("a", "", b"AC"), ("a", "", b"GT")]),
    Case("lower case", "x.fa", b">a\nacgtn\n", [("a", "", b"acgtn")]),
    Case("IUPAC", "x.fa", b">a\nRYSWKMBDHVNu\n", [("a", "", b"RYSWKMBDHVNu")]),
    Case(
        "protein",
        "x.fa",
        b">p\nMKTAYIAKQR\n",
        Refusal("not-nucleotides", ", record 1 'p'", names="'I' at base 6", fix="protein"),
    ),
    Case(
        "gaps", "x.fa", b">a\nAC--GT\n", Refusal("not-nucleotides", ", record 1 'a'", names="'-' at base 3", fix="gaps")
    ),
    Case("NUL", "x.fa", b">a\nAC\0GT\n", Refusal("not-nucleotides", ", record 1 'a'", names="0x00 at base 3")),
    Case(
        "a special token", "x.fa", b">a\nAC\3GT\n", Refusal("not-nucleotides", ", record 1 'a'", names="0x03 at base 3")
    ),
    Case(
        "spaces at line ends",
        "x.fa",
        b">a\nACGT \n",
        Refusal("not-nucleotides", ", record 1 'a'", names="0x20 at base 5", fix="space"),
    ),
    Case("binary", "x.fa", bytes(range(1, 256)), Refusal("not-fasta", names="\\x01\\x02")),
    Case("UTF-16", "x.fa", CLEAN.decode().encode("utf-16"), Refusal("not-fasta", fix="iconv -f UTF-16")),
    Case("byte order mark", "x.fa", b"\xef\xbb\xbf" + CLEAN, Refusal("not-fasta", fix="sed")),
    Case("a name that is not UTF-8", "x.fa", b">a\xe9 b\xe9\nAC\n", [("a\\xe9", "b\\xe9", b"AC")]),
    Case("a long line", "x.fa", LONG_LINE, [("a", "", LONG_LINE[3:-1])]),
    Case("a long header", "x.fa", b">" + b"a" * 3_000_000, Refusal("header-too-long", ", record 1", names="1,048,576")),
    Case("a web page", "x.fa", b"<!DOCTYPE html>\n", Refusal("not-fasta", names="'<!DOCTYPE html>'")),
    Case("FASTQ called FASTA", "x.fa", FASTQ, AB),
    Case(
        "FASTQ after FASTA",
        "x.fa",
        CLEAN + FASTQ,
        Refusal("not-nucleotides", ", record 2 'b'", names="'@' at base 5", fix="FASTQ"),
    ),
    Case("FASTQ with CRLF", "x.fq", FASTQ.replace(b"\n", b"\r\n"), AB),
    Case(
        "FASTQ of several lines",
        "x.fq",
        b"@a\nAC\nGT\n+\nIIII\n",
        Refusal("fastq-no-plus", ", record 1 'a'", fix="seqtk seq -l0"),
    ),
    Case("too few qualities", "x.fq", b"@a\nACGT\n+\nIII\n", Refusal("fastq-quality-count", ", record 1 'a'")),
    Case("FASTQ that is cut", "x.fq", FASTQ[:-8], Refusal("fastq-cut", ", record 2 'b'")),
    Case("FASTQ that is cut in the qualities", "x.fq", FASTQ[:-3], Refusal("fastq-quality-count", ", record 2 'b'")),
    Case("FASTQ without bases", "x.fq", b"@a\n\n+\n\n", Refusal("no-sequence", ", record 1 'a'")),
    Case("FASTA in FASTQ", "x.fq", FASTQ + CLEAN, Refusal("fastq-no-mark", ", record 3 'a'", names="'>a'")),
]

TABLES = [
    Case("JSON lines", "x.jsonl", JSONL, AB),
    Case("JSON of a number of lines", "x.json", b'{\n"text": "A"}\n', Refusal("not-json", ", line 1 (byte 0)")),
    Case("a broken line", "x.jsonl", JSONL + b'{"text": "AC', Refusal("not-json", ", line 3 (byte 56)")),
    Case("a list", "x.jsonl", b"[1]\n", Refusal("not-an-object", ", line 1 (byte 0)", names="list")),
    Case(
        "a missing field",
        "x.jsonl",
        b'{"seq": "A", "n": 1}\n',
        Refusal("no-text-field", ", line 1 (byte 0)", names="'seq', 'n'", fix="--text-field"),
    ),
    Case(
        "a number for text",
        "x.jsonl",
        b'{"text": 7}\n',
        Refusal("field-not-text", ", line 1 (byte 0)", names="a number"),
    ),
    Case("null for text", "x.jsonl", b'{"text": null}\n', Refusal("field-not-text", ", line 1 (byte 0)", names="null")),
    Case("no text", "x.jsonl", JSONL + b'{"text": ""}\n', Refusal("no-sequence", ", line 3 (byte 56)", names="'text'")),
    Case("NUL in text", "x.jsonl", b'{"text": "AC\\u0000"}\n', Refusal("nul", ", line 1 (byte 0)", names="base 3")),
    Case(
        "text of no UTF-8", "x.jsonl", b'{"text": "AC\xff"}\n', Refusal("not-json", ", line 1 (byte 0)", names="UTF-8")
    ),
    Case(
        "half a surrogate",
        "x.jsonl",
        b'{"text": "AC\\ud800"}\n',
        Refusal("not-json", ", line 1 (byte 0)", names="surrogate"),
    ),
    Case(
        "tags without markup",
        "x.jsonl",
        b'{"text": "|d__B|AC"}\n',
        Refusal("not-nucleotides", ", record 1 ''", names="'|' at base 1", fix="--markup"),
    ),
    Case(
        "JSON with a byte order mark",
        "x.jsonl",
        b"\xef\xbb\xbf" + JSONL,
        Refusal("byte-order-mark", ", line 1 (byte 0)", fix="sed"),
    ),
    Case("Parquet", "x.parquet", PARQUET, AB),
    Case("truncated Parquet", "x.parquet", PARQUET[:-20], Refusal("not-parquet")),
    Case("the start of Parquet", "x.parquet", b"PAR1", Refusal("not-parquet")),
    Case(
        "another column",
        "x.parquet",
        parquet(seq=["A"], n=[1]),
        Refusal("no-text-field", names="'seq', 'n'", fix="--text-field"),
    ),
    Case(
        "two columns of text",
        "x.parquet",
        parquet(text=["A"], sequence=["C"]),
        Refusal("two-text-columns", names="'text' and 'sequence'", fix="--text-field"),
    ),
    Case(
        "a column of numbers",
        "x.parquet",
        parquet(text=[1]),
        Refusal("column-not-text", names="int64", fix="--text-field"),
    ),
    Case("a null row", "x.parquet", parquet(text=["A", None]), Refusal("null-sequence", ", column 'text', row 2")),
    Case("an empty row", "x.parquet", parquet(text=["A", "", "C"]), Refusal("no-sequence", ", column 'text', row 2")),
    Case(
        "NUL in a row",
        "x.parquet",
        parquet(text=["A", "C\0"]),
        Refusal("nul", ", column 'text', row 2", names="base 2"),
    ),
    Case("no row", "x.parquet", parquet(text=pa.array([], pa.string())), Refusal("no-record")),
    Case("2bit", "x.2bit", TWOBIT, AB),
    Case("truncated 2bit", "x.2bit", TWOBIT[:-1], Refusal("file-truncated", names="'b'")),
    Case("2bit cut in its table", "x.2bit", TWOBIT[:20], Refusal("file-truncated", names="entry 1 of 2")),
    Case(
        "2bit of many sequences",
        "x.2bit",
        TWOBIT[:8] + b"\xff" * 4 + TWOBIT[12:],
        Refusal("twobit-table", names="entry 4 of 4,294,967,295"),
    ),
    Case(
        "2bit of a long sequence",
        "x.2bit",
        TWOBIT[:28] + b"\xff" * 4 + TWOBIT[32:],
        Refusal("file-truncated", names="1,073,741,824"),
    ),
    Case(
        "2bit of many runs",
        "x.2bit",
        TWOBIT[:32] + b"\xff" * 4 + TWOBIT[36:],
        Refusal("file-truncated", names="17,179,869,180"),
    ),
    Case(
        "2bit with a far offset",
        "x.2bit",
        TWOBIT[:18] + b"\xff" * 4 + TWOBIT[22:],
        Refusal("file-truncated", names="4,294,967,295"),
    ),
    Case("2bit of version 2", "x.2bit", TWOBIT[:4] + b"\2" + TWOBIT[5:], Refusal("twobit-version", names="2")),
    Case("2bit without a base", "x.2bit", twobit([("a", b"")]), Refusal("no-sequence", names="'a'")),
    Case("2bit without a sequence", "x.2bit", twobit([]), Refusal("no-record")),
    Case("ShardedEden", "x.sqlite", EDEN, AB),
    Case(
        "another schema",
        "x.sqlite",
        sqlite("CREATE TABLE t (x)"),
        Refusal("eden-tables", names=": t", fix="sequences(contig_id, nt_sequence)"),
    ),
    Case("other columns", "x.db", sqlite("CREATE TABLE sequences (a, b)"), Refusal("eden-columns", names="a, b")),
    Case(
        "no row ids",
        "x.db",
        sqlite("CREATE TABLE sequences (contig_id PRIMARY KEY, nt_sequence) WITHOUT ROWID"),
        Refusal("eden-row-ids", names="sequences"),
    ),
    Case(
        "a view",
        "x.db",
        sqlite("CREATE VIEW sequences AS SELECT 'a' AS contig_id, 'ACGT' AS nt_sequence"),
        Refusal("eden-tables", names="none"),
    ),
    Case("no sequence", "x.db", sqlite("CREATE TABLE sequences (contig_id, nt_sequence)"), Refusal("no-record")),
    Case(
        "a null sequence",
        "x.db",
        eden(("a", "ACGT"), ("b", None)),
        Refusal("field-not-text", ", table sequences, row 2", names="nt_sequence"),
    ),
    Case(
        "a schema of no UTF-8",
        "x.db",
        EDEN.replace(b"contig_id", b"contig\xff\xff\xff"),
        Refusal("eden-columns", names="nt_sequence"),
    ),
    Case("truncated SQLite", "x.db", EDEN[:4096], Refusal("not-sqlite")),
    Case("the start of SQLite", "x.db", EDEN[:50], Refusal("not-sqlite")),
    Case("text called Parquet", "x.parquet", CLEAN, AB),
    Case("Parquet called FASTA", "x.fa", PARQUET, AB),
    Case("JSON called FASTA", "x.fa", JSONL, AB),
    Case("compressed Parquet", "x.parquet.gz", gzip.compress(PARQUET), Refusal("compressed-format", names="parquet")),
    Case("none of them", "x.bam", b"\x7fELF", Refusal("unknown-format", names="ELF")),
]

CASES = COMPRESSION + TEXT + TABLES
