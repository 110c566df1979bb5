"""ShardedEden databases: what is in them comes out in order, and nothing of a stranger's is run."""

import sqlite3
from pathlib import Path

import pytest
from reading import read, write_eden
from refusal import refused


def test_in_the_order_of_the_rows(tmp_path: Path) -> None:
    expected = [(f"contig{number * 7 % 30}", "ACGTN" * (number + 1)) for number in range(30)]
    path = tmp_path / "odd name?#%.sqlite"
    write_eden(path, expected)
    assert read(path) == [(name, "", sequence.encode()) for name, sequence in expected]


def test_rows_that_were_removed(tmp_path: Path) -> None:
    write_eden(tmp_path / "x.db", [("a", "AC"), ("b", "GG"), ("c", "TT")])
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("DELETE FROM sequences WHERE contig_id = 'b'")
    assert read(tmp_path / "x.db") == [("a", "", b"AC"), ("c", "", b"TT")]


def test_it_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    write_eden(path, [("a", "AC")])
    before, time = path.read_bytes(), path.stat().st_mtime_ns
    read(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns, [p.name for p in tmp_path.iterdir()]) == (
        before,
        time,
        ["x.db"],
    )


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ("CREATE VIRTUAL TABLE sequences USING fts5(contig_id, nt_sequence)", "eden-virtual-table"),
        ("CREATE TABLE sequences (contig_id TEXT, nt_sequence TEXT AS (upper(contig_id)))", "eden-columns"),
    ],
)
def test_tables_that_compute_are_refused(tmp_path: Path, schema: str, kind: str) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute(schema)
    with refused(kind, where="x.db", names="sequences"):
        read(tmp_path / "x.db")
