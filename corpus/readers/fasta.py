"""FASTA records of a file, plain or gzip (bgzf too), with nothing dropped: what is no clean FASTA is an error.

The reader is our own. kseq, which pysam, minimap2 and seqtk use, skips text before the first header, takes a line
that starts with `@` or `+` for a header or for qualities, ends a line at a NUL byte, and only warns of a cut bgzf file.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from conduct.errors import InputError
from corpus.readers.compression import open_source
from tokenizer.sequence import NUCLEOTIDES, not_nucleotides

BLOCK = 1 << 17

_FOREIGN = re.compile(b"[^" + NUCLEOTIDES + b"]")
_PROTEIN = set(b"EFILPQXZJOefilpqxzjo*")


@dataclass(frozen=True)
class Record:
    """One FASTA record. `sequence`: IUPAC nucleotide letters, case kept, at least one."""

    name: str
    description: str
    sequence: bytes


def read_fasta(path: Path, *, observe: Callable[[memoryview], object] | None = None) -> Iterator[Record]:
    """Records of `path` in order. Memory: twice the longest record.

    `observe` is called with every block of the file's bytes as stored, compressed or not: for progress and checksums.
    Errors: `InputError` with the file, the record and the fix, for anything that is no nucleotide FASTA.
    """
    path = Path(path)
    empty = True
    with open_source(path, observe) as stream:
        for number, (header, parts) in enumerate(_split(path, stream), start=1):
            empty = False
            yield _record(path, number, header, b"".join(parts))
    if empty:
        raise InputError("holds no record", where=path, fix="Leave it out, or check how it was made.")


def _split(path: Path, stream: BinaryIO) -> Iterator[tuple[bytes, list[bytes]]]:
    """Header lines without `>`, each with the pieces of its sequence without line ends."""
    header: bytes | None = None
    parts: list[bytes] = []
    while block := stream.read(BLOCK):
        block += stream.readline()  # so that every block begins at the start of a line
        first, *records = (b"\n" + block).split(b"\n>") if b">" in block else [block]
        if first := _join_lines(first):
            if header is None:
                raise _no_header(path, first)
            parts.append(first)
        for record in records:
            if header is not None:
                yield header, parts
            header, _, body = record.partition(b"\n")
            parts = [_join_lines(body)]
    if header is not None:
        yield header, parts


def _join_lines(text: bytes) -> bytes:
    text = text.replace(b"\n", b"")
    return text.replace(b"\r", b"") if b"\r" in text else text


def _record(path: Path, number: int, header: bytes, sequence: bytes) -> Record:
    line = header.rstrip(b"\r").decode("utf-8", "backslashreplace")
    name = re.split(r"\s", line, maxsplit=1)[0]
    where = f"{path}, record {number} {name!r}"
    if "\r" in line:
        raise InputError("has old Macintosh line ends (CR only)", where=path, fix="Convert it: tr '\\r' '\\n'.")
    if not name:
        raise InputError(f"has no name: its header is {'>' + line!r}", where=where, fix="Name it right after the '>'.")
    if not sequence:
        raise InputError("has no sequence", where=where, fix="Remove the record, or complete the file.")
    if foreign := not_nucleotides(sequence):
        raise _not_dna(where, sequence, foreign)
    return Record(name, line[len(name) :].strip(), sequence)


def _no_header(path: Path, start: bytes) -> InputError:
    if start.startswith(b"@"):
        return InputError(
            "is FASTQ: it starts with '@'", where=path, fix="Convert it to FASTA, e.g. with seqtk seq -A."
        )
    found = os.fsdecode(start[:20]).encode("utf-8", "backslashreplace").decode()
    return InputError(
        f"is no FASTA: the first line does not start with '>' but with {found!r}",
        where=path,
        fix="Give FASTA, plain or gzip-compressed.",
    )


def _not_dna(where: str, sequence: bytes, foreign: bytes) -> InputError:
    match = _FOREIGN.search(sequence)
    assert match is not None
    letter, shown = match[0], _show(match[0])
    others = ", ".join(_show(bytes([byte])) for byte in foreign if byte != letter[0])
    problem = f"{shown} at base {match.start() + 1} is no IUPAC nucleotide letter" + (
        f" (also: {others})" * bool(others)
    )
    if letter in b" \t\v\f":
        fix = "Remove the white space from the sequence lines: sed '/^>/!s/[[:space:]]//g'."
    elif letter in b"-.":
        fix = "It looks like an alignment; remove the gaps: sed '/^>/!s/[-.]//g'."
    elif letter in b"@+":
        fix = "It looks like FASTQ; convert it to FASTA, e.g. with seqtk seq -A."
    elif letter == b">":
        fix = "A header must start its line; put a line end before the '>'."
    elif _PROTEIN & set(foreign):
        fix = "It looks like protein; only DNA can be prepared."
    else:
        fix = "Remove the record, or repair the file."
    return InputError(problem, where=where, fix=fix)


def _show(letter: bytes) -> str:
    return repr(letter.decode()) if 32 < letter[0] < 127 else f"byte 0x{letter[0]:02x}"
