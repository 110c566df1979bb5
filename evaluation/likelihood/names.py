"""Outputs that have one value of a name need names that are given once: of documents, records or regions."""

from collections.abc import Iterator
from pathlib import Path

from evaluation.likelihood.bed import read_bed
from foundation.errors import InputError


def check_document_names(corpus: Path, split: str, out: Path) -> None:
    """Refuse two documents of one name, for `out`, which has one value of a name. Errors: `InputError` with both."""
    from corpus.read import document_names

    numbers: dict[tuple[str, int | None], int] = {}
    for number, name in enumerate(document_names(corpus, split)):
        if name is None or not name.record:
            continue
        first = numbers.setdefault((name.record, name.start), number)
        if first != number:
            problem = f"both come from the record {name.record!r}, and {out.name} needs unique names"
            where = f"{corpus}, documents {split}[{first}] and {split}[{number}]"
            raise InputError(problem, where=where, fix="Write Parquet.", kind="duplicate-name")


def check_names(fasta: Path, out: Path, *, bed: Path | None = None) -> None:
    """Refuse two records of `fasta`, or two regions of `bed`, of one name, for `out`, which has one value of a name.

    Standard input, which is read once, is not looked at. Errors: `InputError` with both places.
    """
    numbers: dict[str, int] = {}
    for number, name in _names(fasta, bed):
        first = numbers.setdefault(name, number)
        if first != number:
            where = f"{bed}, lines {first} and {number}" if bed else f"{fasta}, records {first} and {number}"
            problem = f"are both named {name!r}, but {out.name} needs unique names"
            raise InputError(
                problem, where=where, fix="Give them different names, or write Parquet.", kind="duplicate-name"
            )


def _names(fasta: Path, bed: Path | None) -> Iterator[tuple[int, str]]:
    from corpus.readers.fasta import read_fasta_stream
    from corpus.streams.compression import open_source

    if bed is not None:
        yield from ((line.number, line.name) for line in read_bed(bed))
    elif fasta != Path("-"):
        with open_source(fasta) as stream:  # letters are checked where they are read, with markup or without
            batches = read_fasta_stream(stream, fasta)
            yield from enumerate((name for batch in batches for name in batch.names), start=1)
