"""Every file of the table in `malformed` gives what is promised there, and nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from malformed import AB, CASES, CLEAN, Case
from reading import Row, rows
from refusal import refused

from corpus.readers.formats import Slice, detect_format, read_slice
from corpus.scan.batch import Batch
from corpus.scan.foreign_letters import explain_letters
from tokenizer.sequence import not_nucleotides


def checked(path: Path) -> list[Row]:
    """Records of `path`, letters checked, as a preparation does it."""
    batches: list[Batch] = []
    for batch in read_slice(Slice(path=path, format=detect_format(path), start=0, stop=None), field=None, markup=False):
        for record in range(len(batch)):
            if not_nucleotides(batch.sequence(record).tobytes()):
                raise explain_letters(batch, record, path)
        batches.append(batch)
    return rows(batches)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(tmp_path: Path, case: Case) -> None:
    path = tmp_path / case.file
    path.write_bytes(case.content)
    if isinstance(case.result, list):
        assert checked(path) == case.result
        return
    error = case.result
    with refused(error.kind, where=path.name + error.place, names=error.names, fix=error.fix) as caught:
        checked(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < 1500


def test_the_records_before_an_error_come_first(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(CLEAN + b">c\n")
    batches = read_slice(Slice(path=path, format=detect_format(path), start=0, stop=None), field=None, markup=False)
    assert rows([next(batches)]) == AB
    with refused("no-sequence", where="x.fa, record 3 'c'"):
        next(batches)


def test_a_directory(tmp_path: Path) -> None:
    with refused("is-a-directory", where=tmp_path, fix="Name the files in it"):
        checked(tmp_path)


def test_missing(tmp_path: Path) -> None:
    with refused("missing-file", where="no.fa"):
        checked(tmp_path / "no.fa")


@pytest.fixture
def nobody() -> Iterator[None]:
    """The rights of a user; root may read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def test_unreadable(tmp_path: Path, nobody: None) -> None:
    path = tmp_path / "x.fa"
    if os.getuid():
        path.write_bytes(CLEAN)
        path.chmod(0)
    with refused("cannot-be-read", where="x.fa", names="Permission denied"):
        checked(path)


def test_a_database_with_a_log_that_is_not_merged(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "ShardedEden")
    (tmp_path / "x.db").write_bytes(case.content)
    (tmp_path / "x.db-wal").write_bytes(b"changes")
    with refused("sqlite-unmerged", where="x.db", fix="sqlite3"):
        checked(tmp_path / "x.db")
