"""Which format a source has, how it is cut for several processes, and its records."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from corpus.batch import Batch
from corpus.readers.compression import Observe


class Format(str, Enum):
    """The formats that are read."""

    FASTA = "fasta"
    FASTQ = "fastq"
    JSONL = "jsonl"
    PARQUET = "parquet"
    TWOBIT = "twobit"
    SHARDED_EDEN = "sharded_eden"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of a source that is read by itself.

    `start` to `stop`, in units of the format: stored bytes of an uncompressed FASTA or JSONL file, row groups of a
    Parquet file, sequences of a 2bit file; 0 and None for the whole of any. A record belongs to the slice in which its
    first byte lies.
    """

    path: Path
    format: Format
    start: int = 0
    stop: int | None = None


def detect_format(path: Path) -> Format:
    """The format that the first bytes of `path` show. Errors: `InputError` where they show none, or `open_source`'s."""
    raise NotImplementedError


def slices(path: Path, format: Format, target_bytes: int) -> list[Slice]:
    """`path` in parts of about `target_bytes` stored bytes, in order; one part where the format cannot be cut."""
    raise NotImplementedError


def read_slice(slice: Slice, *, field: str | None, markup: bool, observe: Observe | None = None) -> Iterator[Batch]:
    """The records of `slice`, numbered from 1.

    Letters are not checked: `corpus.readers.letters.explain_letters` makes the error of a record that has others.

    Parameters
    ----------
    field : str, optional
        The field or column of the sequences in JSONL and Parquet.
    markup : bool
        Whether JSONL and Parquet text may have OpenGenome2's tags and joins.
    observe : callable, optional
        Gets each block of stored bytes that is read, in the order of reading.
    """
    raise NotImplementedError
