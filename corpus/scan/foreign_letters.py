"""The error of a record that has letters other than IUPAC nucleotide codes: which, where, and what it looks like."""

import re

from corpus.scan.batch import Batch
from foundation.errors import InputError
from tokenizer.sequence import NUCLEOTIDES, first_letter, foreign_letters, not_nucleotides

_FOREIGN = re.compile(b"[^" + NUCLEOTIDES + b"]")
_PROTEIN = set(b"EFILPQXZJOefilpqxzjo*")


def explain_letters(batch: Batch, record: int, where: object) -> InputError:
    """The error of `batch`'s record number `record`, from 0, which has foreign letters; `where` names its source."""
    sequence = batch.sequence(record).tobytes()
    foreign = not_nucleotides(sequence)
    match = _FOREIGN.search(sequence)
    assert match is not None
    letter, shown = match[0], first_letter(sequence[match.start() : match.start() + 4])
    found = (first_letter(one.encode("utf-8", "surrogateescape")) for one in sorted(foreign_letters(sequence, 256)))
    others = ", ".join(one for one in found if one != shown)
    problem = f"{shown} at base {match.start() + 1} is not an IUPAC nucleotide letter" + f" (also: {others})" * bool(
        others
    )
    where = f"{where}, record {batch.first + record} {batch.names[record]!r}"
    return InputError(problem, where=where, fix=_fix(letter, foreign), kind="not-nucleotides")


def _fix(letter: bytes, foreign: bytes) -> str:
    if letter in b" \t\v\f":
        return "Remove the white space from the sequence lines: sed '/^>/!s/[[:space:]]//g'."
    if letter == b"\r":
        return "Its line ends are old Macintosh ones; convert them: tr '\\r' '\\n'."
    if letter in b"-.":
        return "It looks like an alignment; remove the gaps: sed '/^>/!s/[-.]//g'."
    if letter in b"|#" or (letter == b"@" and ord("+") not in foreign):
        return (
            "It looks like OpenGenome2's tags and joins: `genomic-llama score --markup` and `embed --markup` read "
            "them, and so does `prepare --markup` in JSONL and Parquet."
        )
    if letter in b"@+":
        return "It looks like FASTQ; convert it to FASTA, e.g. with seqtk seq -A."
    if letter == b">":
        return "A header must start its line; put a line end before the '>'."
    if _PROTEIN & set(foreign):
        return "It looks like protein; only DNA can be prepared."
    return "Remove the record, or repair the file."
