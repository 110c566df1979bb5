"""The parts of a directory of labelled sequences, in the layouts in which tasks are published.

| layout | files of a task's directory |
| --- | --- |
| GUE | train.csv, dev.csv, test.csv with the columns sequence and label |
| Nucleotide Transformer | train.fna, test.fna with headers `>name|label`; or train*.parquet, test*.parquet |
| Genomic Benchmarks | train/CLASS/*.txt, test/CLASS/*.txt, one sequence a file |

A part is read from one of these; where there are two, nothing tells whether they are the same sequences.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from evaluation.labelled.readers import (
    Columns,
    Entry,
    read_delimited,
    read_folders,
    read_labelled_fasta,
    read_parquet,
)
from foundation.errors import InputError
from foundation.terminal import warn

Reader = Callable[[Path, Columns], Iterator[Entry]]

PARTS = ("train", "dev", "test")
FIX = "Give a directory with train and test as .csv, .fna or .parquet files, or as a folder of folders of .txt files."

_SUFFIXES = (".csv", ".tsv", ".fa", ".fna", ".fasta", ".parquet", ".gz")
_SHARD = re.compile(r"-\d+(?:-of-(\d+))?\.parquet")  # after the name of the part
_READERS: dict[str, Reader] = {
    "{}.csv": read_delimited,
    "{}.f*a": read_labelled_fasta,
    "{}*.parquet": read_parquet,
    "{}": read_folders,
}


def read_part(directory: Path, part: str, columns: Columns) -> Iterator[Entry]:
    """The entries of one of `PARTS`, none where it is not there. Errors: `InputError`."""
    files = _files(directory, part)
    shards = [_SHARD.fullmatch(path.name.removeprefix(part)) for path, _ in files]
    names = " and ".join(path.name for path, _ in files[:5])
    if len(files) > 1 and not all(shards):
        problem = f"has {part} more than once: {names}"
        raise InputError(problem, where=directory, fix="Keep one of them.", kind="part-twice")
    if any(shard and shard[1] and int(shard[1]) != len(files) for shard in shards):
        raise InputError(f"lacks some shards of {part}: {names}", where=directory, fix=FIX, kind="part-missing")
    for path, read in files:
        yield from read(path, columns)


def warn_unread(directory: Path) -> None:
    """Name what looks like data of another part, such as validation.csv."""
    read = {path for part in PARTS for path, _ in _files(directory, part)}
    others = [path.name for path in sorted(directory.iterdir()) if path.suffix in _SUFFIXES and path not in read]
    if others:
        warn(f"{directory}: not read: {', '.join(others[:5])}; the parts are {', '.join(PARTS)}")


def part_files(directory: Path, *parts: str) -> list[Path]:
    """The files of some parts."""
    return [path for part in parts for path, _ in _files(directory, part)]


def _files(directory: Path, part: str) -> list[tuple[Path, Reader]]:
    found = [
        (path, read) for pattern, read in _READERS.items() for path in sorted(directory.glob(pattern.format(part)))
    ]
    return [(path, read) for path, read in found if path.is_dir() == (read is read_folders)]
