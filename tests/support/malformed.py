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
class Case:
    """A file, and `result`: its records, or a regular expression of its error."""

    name: str
    file: str
    content: bytes
    result: list[Row] | str


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
    Case("truncated gzip", "x.fa.gz", GZ[:-9], "is truncated: the gzip member at byte 0 does not end"),
    Case("gzip without its last byte", "x.fa.gz", GZ[:-1], "is truncated: the gzip member at byte 0 does not end"),
    Case("bad checksum", "x.fa.gz", spoiled(GZ, len(GZ) - 5), "is corrupt: the gzip member at byte 0.*checksum"),
    Case("bad size", "x.fa.gz", spoiled(GZ, len(GZ) - 1), "is corrupt: the gzip member at byte 0"),
    Case("garbage after gzip", "x.fa.gz", GZ + b"\n<html>", f"is corrupt: the gzip member at byte {len(GZ)}"),
    Case("nothing in gzip", "x.fa.gz", gzip.compress(b""), "holds no record"),
    Case("bgzf", "x.fa.gz", BGZ, AB),
    Case("bgzf cut between blocks", "x.fa.gz", BGZ[:-28], "is truncated: the end block of bgzf is missing"),
    Case("garbage after bgzf", "x.fa.gz", BGZ + b"garbage", f"is corrupt: .* at byte {len(BGZ)}"),
    Case("bgzf cut in a block", "x.fa.gz", BGZ[:30], "its last whole block ends at byte 0 of 30"),
    Case("zstd", "x.fa.zst", ZST, AB),
    Case("zstd of more than a block", "x", zstandard.compress(LONG_LINE), [("a", "", LONG_LINE[3:-1])]),
    Case("truncated zstd", "x.fa.zst", ZST[:-6], "is truncated: the zstd frame at byte 0 does not end"),
    Case("bad checksum of zstd", "x.fa.zst", spoiled(ZST, len(ZST) - 1), "is corrupt: the zstd frame at byte 0"),
    Case("bzip2", "x.fa.bz2", b"BZh91AY&SY", "is bzip2, which is not read. Compress it anew"),
    Case("xz", "x.fa.xz", b"\xfd7zXZ\0\0\0", "is xz, which is not read. Compress it anew"),
    Case("zip", "x.zip", b"PK\x03\x04\0\0", "is a zip archive, which is not read. Unpack it"),
]

TEXT = [
    Case("empty", "x.fa", b"", "is empty"),
    Case("blank", "x.fa", b"\n \n", "does not start with '>' but with ' '"),
    Case("blank lines only", "x.fa", b"\n\n", "holds no record"),
    Case("CRLF", "x.fa", CLEAN.replace(b"\n", b"\r\n"), AB),
    Case("CR only", "x.fa", CLEAN.replace(b"\n", b"\r"), r"has old Macintosh line ends \(CR only\)"),
    Case("CR in the sequence", "x.fa", b">a\nAC\rGT\n", "byte 0x0d at base 3.*old Macintosh"),
    Case("blank lines between", "x.fa", CLEAN.replace(b"\n", b"\n\n"), AB),
    Case("no last line end", "x.fa", CLEAN[:-1], AB),
    Case("an empty record", "x.fa", b">a\n>b\nAC\n", "record 1 'a': has no sequence"),
    Case("an empty last record", "x.fa", b">a\nAC\n>b\n", "record 2 'b': has no sequence"),
    Case("a header only", "x.fa", b">a", "record 1 'a': has no sequence"),
    Case("no name", "x.fa", b">a\nAC\n> x\nAC\n", "record 2: has no name: its header is '> x'"),
    Case("text before the first header", "x.fa", b"; by me\n>a\nAC\n", "does not start with '>' but with '; by me'"),
    Case("the same name twice", "x.fa", b">a\nAC\n>a\nGT\n", [("a", "", b"AC"), ("a", "", b"GT")]),
    Case("lower case", "x.fa", b">a\nacgtn\n", [("a", "", b"acgtn")]),
    Case("IUPAC", "x.fa", b">a\nRYSWKMBDHVNu\n", [("a", "", b"RYSWKMBDHVNu")]),
    Case("protein", "x.fa", b">p\nMKTAYIAKQR\n", "record 1 'p': 'I' at base 6.*looks like protein"),
    Case("gaps", "x.fa", b">a\nAC--GT\n", "'-' at base 3.*alignment; remove the gaps"),
    Case("NUL", "x.fa", b">a\nAC\0GT\n", "byte 0x00 at base 3"),
    Case("a special token", "x.fa", b">a\nAC\3GT\n", "byte 0x03 at base 3"),
    Case("spaces at line ends", "x.fa", b">a\nACGT \n", "byte 0x20 at base 5.*white space"),
    Case("binary", "x.fa", bytes(range(1, 256)), "is not FASTA: the first line does not start with '>'"),
    Case("UTF-16", "x.fa", CLEAN.decode().encode("utf-16"), "It is UTF-16; convert it: iconv"),
    Case("byte order mark", "x.fa", b"\xef\xbb\xbf" + CLEAN, "It has a byte order mark; remove it: sed"),
    Case("a name that is not UTF-8", "x.fa", b">a\xe9 b\xe9\nAC\n", [("a\\xe9", "b\\xe9", b"AC")]),
    Case("a long line", "x.fa", LONG_LINE, [("a", "", LONG_LINE[3:-1])]),
    Case("a long header", "x.fa", b">" + b"a" * 3_000_000, "record 1: its header is longer than 1,048,576 bytes"),
    Case("a web page", "x.fa", b"<!DOCTYPE html>\n", "does not start with '>' but with '<!DOCTYPE html>'"),
    Case("FASTQ called FASTA", "x.fa", FASTQ, AB),
    Case("FASTQ after FASTA", "x.fa", CLEAN + FASTQ, "record 2 'b': '@' at base 5.*looks like FASTQ"),
    Case("FASTQ with CRLF", "x.fq", FASTQ.replace(b"\n", b"\r\n"), AB),
    Case("FASTQ of several lines", "x.fq", b"@a\nAC\nGT\n+\nIIII\n", "record 1 'a': its third line.*seqtk seq -l0"),
    Case("too few qualities", "x.fq", b"@a\nACGT\n+\nIII\n", "record 1 'a': its qualities are not as many"),
    Case("FASTQ that is cut", "x.fq", FASTQ[:-8], "record 2 'b': is cut: the file ends within it"),
    Case("FASTQ that is cut in the qualities", "x.fq", FASTQ[:-3], "record 2 'b': its qualities are not as many"),
    Case("FASTQ without bases", "x.fq", b"@a\n\n+\n\n", "record 1 'a': has no sequence"),
    Case("FASTA in FASTQ", "x.fq", FASTQ + CLEAN, "record 3.*does not start with '@' but with '>a'"),
]

TABLES = [
    Case("JSON lines", "x.jsonl", JSONL, AB),
    Case("JSON of a number of lines", "x.json", b'{\n"text": "A"}\n', r"line 1 \(byte 0\): is no JSON"),
    Case("a broken line", "x.jsonl", JSONL + b'{"text": "AC', r"line 3 \(byte 56\): is no JSON"),
    Case("a list", "x.jsonl", b"[1]\n", "line 1 .*is a list, not an object"),
    Case(
        "a missing field",
        "x.jsonl",
        b'{"seq": "A", "n": 1}\n',
        "has no field 'text' or 'sequence'; its fields are: 'seq', 'n'",
    ),
    Case("a number for text", "x.jsonl", b'{"text": 7}\n', "field 'text' is a number, not a string"),
    Case("null for text", "x.jsonl", b'{"text": null}\n', "field 'text' is null, not a string"),
    Case("no text", "x.jsonl", JSONL + b'{"text": ""}\n', r"line 3 \(byte 56\): field 'text' is empty"),
    Case("NUL in text", "x.jsonl", b'{"text": "AC\\u0000"}\n', "its text has a NUL at base 3"),
    Case("text of no UTF-8", "x.jsonl", b'{"text": "AC\xff"}\n', r"line 1 \(byte 0\): is not JSON: .*UTF-8"),
    Case("half a surrogate", "x.jsonl", b'{"text": "AC\\ud800"}\n', r"line 1 \(byte 0\): is no JSON"),
    Case("tags without markup", "x.jsonl", b'{"text": "|d__B|AC"}\n', "'|' at base 1.*read it with --markup"),
    Case(
        "JSON with a byte order mark", "x.jsonl", b"\xef\xbb\xbf" + JSONL, r"line 1 .*byte order mark. Remove it: sed"
    ),
    Case("Parquet", "x.parquet", PARQUET, AB),
    Case("truncated Parquet", "x.parquet", PARQUET[:-20], "is damaged, or no Parquet file"),
    Case("the start of Parquet", "x.parquet", b"PAR1", "is damaged, or no Parquet file"),
    Case("another column", "x.parquet", parquet(seq=["A"], n=[1]), "has no column 'text'.*columns are: 'seq', 'n'"),
    Case(
        "two columns of text", "x.parquet", parquet(text=["A"], sequence=["C"]), "has the columns 'text' and 'seq.*Name"
    ),
    Case("a column of numbers", "x.parquet", parquet(text=[1]), "column 'text' holds int64, not strings"),
    Case("a null row", "x.parquet", parquet(text=["A", None]), "column 'text', row 2: is null"),
    Case("an empty row", "x.parquet", parquet(text=["A", "", "C"]), "column 'text', row 2: is empty"),
    Case("NUL in a row", "x.parquet", parquet(text=["A", "C\0"]), "column 'text', row 2: has a NUL at base 2"),
    Case("no row", "x.parquet", parquet(text=pa.array([], pa.string())), "holds no record"),
    Case("2bit", "x.2bit", TWOBIT, AB),
    Case("truncated 2bit", "x.2bit", TWOBIT[:-1], "sequence 'b' would need 1 bytes"),
    Case("2bit cut in its table", "x.2bit", TWOBIT[:20], "entry 1 of 2 in its table would need"),
    Case("2bit of many sequences", "x.2bit", TWOBIT[:8] + b"\xff" * 4 + TWOBIT[12:], "of 4,294,967,295 in its table"),
    Case(
        "2bit of a long sequence", "x.2bit", TWOBIT[:28] + b"\xff" * 4 + TWOBIT[32:], "would need 1,073,741,824 bytes"
    ),
    Case(
        "2bit of many runs", "x.2bit", TWOBIT[:32] + b"\xff" * 4 + TWOBIT[36:], "runs of N, would need 17,179,869,180"
    ),
    Case(
        "2bit with a far offset", "x.2bit", TWOBIT[:18] + b"\xff" * 4 + TWOBIT[22:], "would begin at byte 4,294,967,295"
    ),
    Case("2bit of version 2", "x.2bit", TWOBIT[:4] + b"\2" + TWOBIT[5:], "its version is 2, not 0 or 1"),
    Case("2bit without a base", "x.2bit", twobit([("a", b"")]), "sequence 'a' is empty"),
    Case("2bit without a sequence", "x.2bit", twobit([]), "holds no sequence"),
    Case("ShardedEden", "x.sqlite", EDEN, AB),
    Case(
        "another schema", "x.sqlite", sqlite("CREATE TABLE t (x)"), "is not a ShardedEden database; its tables are: t"
    ),
    Case("other columns", "x.db", sqlite("CREATE TABLE sequences (a, b)"), "its table sequences has the columns a, b"),
    Case(
        "no row ids",
        "x.db",
        sqlite("CREATE TABLE sequences (contig_id PRIMARY KEY, nt_sequence) WITHOUT ROWID"),
        "no row ids",
    ),
    Case(
        "a view",
        "x.db",
        sqlite("CREATE VIEW sequences AS SELECT 'a' AS contig_id, 'ACGT' AS nt_sequence"),
        "is not a ShardedEden database; its tables are: none",
    ),
    Case("no sequence", "x.db", sqlite("CREATE TABLE sequences (contig_id, nt_sequence)"), "holds no sequence"),
    Case(
        "a null sequence", "x.db", eden(("a", "ACGT"), ("b", None)), "table sequences, row 2: nt_sequence is not text"
    ),
    Case(
        "a schema of no UTF-8",
        "x.db",
        EDEN.replace(b"contig_id", b"contig\xff\xff\xff"),
        r"the columns contig.*, nt_sequence",
    ),
    Case("truncated SQLite", "x.db", EDEN[:4096], "is damaged, or no SQLite database"),
    Case("the start of SQLite", "x.db", EDEN[:50], "is damaged, or no SQLite database"),
    Case("text called Parquet", "x.parquet", CLEAN, AB),
    Case("Parquet called FASTA", "x.fa", PARQUET, AB),
    Case("JSON called FASTA", "x.fa", JSONL, AB),
    Case("compressed Parquet", "x.parquet.gz", gzip.compress(PARQUET), "is compressed parquet. Decompress it first"),
    Case("none of them", "x.bam", b"\x7fELF", "is of no known format: it starts with"),
]

CASES = COMPRESSION + TEXT + TABLES
