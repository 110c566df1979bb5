"""FASTA records of a file, plain or compressed, with nothing dropped: what is not clean FASTA is an error.

The reader is our own. kseq, which pysam, minimap2 and seqtk use, skips text before the first header, takes a line
that starts with `@` or `+` for a header or for qualities, ends a line at a NUL byte, and only warns of a cut bgzf file.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus.scan import scanner
from corpus.scan.batch import Batch
from corpus.scan.foreign_letters import explain_letters
from corpus.scan.scanner import State
from corpus.scan.window import LONGEST_HEADER, Columns, Window, scan_batches
from corpus.streams.compression import Observe, open_source
from foundation.errors import InputError
from tokenizer.sequence import not_nucleotides


@dataclass(frozen=True)
class Record:
    """One FASTA record. `sequence`: IUPAC nucleotide letters, case kept, at least one."""

    name: str
    description: str
    sequence: bytes


def read_fasta(path: Path, *, observe: Observe | None = None) -> Iterator[Record]:
    """Records of `path` in order. Memory: twice the longest record.

    `observe` is called with every block of the file's bytes as stored, compressed or not: for progress and checksums.
    Errors: `InputError` with the file, the record and the fix, for anything that is not nucleotide FASTA.
    """
    path = Path(path)
    with open_source(path, observe) as stream:
        for batch in read_fasta_stream(stream, path):
            for index, (name, description) in enumerate(zip(batch.names, batch.descriptions, strict=True)):
                sequence = batch.sequence(index).tobytes()
                if not_nucleotides(sequence):
                    raise explain_letters(batch, index, path)
                yield Record(name, description, sequence)


def read_fasta_stream(
    stream: io.BufferedReader, where: object, *, start: int = 0, stop: int | None = None
) -> Iterator[Batch]:
    """Records of a decompressed `stream`, letters not checked. Memory: twice the longest record, about.

    With `start` and `stop`, those whose header lies at bytes `[start, stop)` of the file; `stream` is then at
    `max(start - 1, 0)`.
    Errors: `InputError` with `where` and the record, after the batch of those before it.
    """
    window, columns = Window(stream, max(start - 1, 0)), Columns()
    if start and not _find_header(window, stop):
        return

    def scan(state: State) -> tuple[int, State]:
        limit = window.end if stop is None else stop - window.offset
        return scanner.scan_fasta(window.text, window.end, window.final, limit, state, columns.full, *columns.arrays)

    status, state = yield from scan_batches(window, columns, scan, longest=LONGEST_HEADER)
    if status != scanner.END:
        raise _error(status, window, f"{where}, record {columns.next_number}", columns.last_name(state.names), where)
    if not start and columns.next_number == 1 and window.position == window.end:
        raise InputError("has no records", where=where, fix="Leave it out, or check how it was made.", kind="no-record")


def _find_header(window: Window, stop: int | None) -> bool:
    """Go on to the first header; False where there is none before `stop`."""
    while not window.final and (stop is None or window.offset + window.position < stop):
        window.advance()
        found = window.rest().find(b"\n>")
        if found >= 0:
            window.position += found + 1
            return True
        window.position = max(window.end - 1, 0)
    return False


def _error(status: int, window: Window, record: str, name: str, where: object) -> InputError:
    """The error `status` at the window's position. `name`: the last one read."""
    line = window.rest()[: LONGEST_HEADER + 1].partition(b"\n")[0]
    if status == scanner.NO_HEADER:
        return _no_header(where, line)
    if status == scanner.EMPTY:
        fix = "Remove the record, or complete the file."
        return InputError("has no sequence", where=f"{record} {name!r}", fix=fix, kind="no-sequence")
    if status == scanner.INNER_RETURN or b"\r" in line.rstrip(b"\r"):
        fix = "Convert it: tr '\\r' '\\n'."
        return InputError("has old Macintosh line ends (CR only)", where=where, fix=fix, kind="mac-line-ends")
    if status == scanner.TOO_LONG:
        problem = f"its header is longer than {LONGEST_HEADER:,} bytes"
        return InputError(problem, where=record, fix="Check how it was made.", kind="header-too-long")
    assert status == scanner.NO_NAME
    header = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
    return InputError(
        f"has no name: its header is {header!r}",
        where=record,
        fix="Write the name right after the '>'.",
        kind="no-record-name",
    )


def _no_header(where: object, start: bytes) -> InputError:
    if start.startswith(b"@"):
        return InputError(
            "is FASTQ: it starts with '@'",
            where=where,
            fix="Convert it to FASTA, e.g. with seqtk seq -A.",
            kind="fastq-for-fasta",
        )
    found = os.fsdecode(start[:20]).encode("utf-8", "backslashreplace").decode()
    return InputError(
        f"is not FASTA: the first line does not start with '>' but with {found!r}",
        where=where,
        fix=_encoding(start),
        kind="not-fasta",
    )


def _encoding(start: bytes) -> str:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "It is UTF-16; convert it: iconv -f UTF-16 -t UTF-8."
    if start.startswith(b"\xef\xbb\xbf"):
        return "It has a byte order mark; remove it: sed '1s/^\\xef\\xbb\\xbf//'."
    return "Give FASTA, plain or compressed with gzip or zstd."
