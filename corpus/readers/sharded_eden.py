"""BioNeMo's ShardedEden database: SQLite with a table `sequences(contig_id, nt_sequence)`."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from corpus.scan.batch import Batch, BatchBuilder
from corpus.streams.compression import Observe, named_errors
from foundation.errors import InputError
from foundation.regular_file import open_regular

COLUMNS = ("contig_id", "nt_sequence")


def read_sharded_eden(path: Path, *, observe: Observe | None = None) -> Iterator[Batch]:
    """The sequences of the database, in the order of their row ids; `observe` gets the sequences, for progress.

    It is opened read-only; a view or a virtual table, which would run what a stranger wrote, is refused.
    Errors: `InputError` with the row, after the batches of those before it.
    """
    builder = BatchBuilder()
    with _connected(path) as connection:
        _check_schema(path, connection)
        rows = connection.execute("SELECT rowid, contig_id, nt_sequence FROM sequences ORDER BY rowid")
        empty = True
        for rowid, name, sequence in rows:
            empty = False
            if odd := _invalid(name, sequence):
                yield from builder.finish()
                kind, problem = odd
                where = f"{path}, table sequences, row {rowid}"
                raise InputError(problem, where=where, fix="Repair the row.", kind=kind)
            if observe:
                observe(memoryview(sequence))
            yield from builder.add(name.decode("utf-8", "backslashreplace"), "", sequence)
    if empty:
        raise InputError(
            "holds no sequence", where=path, fix="Leave it out, or check how it was made.", kind="no-record"
        )
    yield from builder.finish()


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    with named_errors(path), open_regular(path):
        pass
    for unmerged in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-journal")):
        if unmerged.exists() and unmerged.stat().st_size:
            fix = f"Open it once with sqlite3 and close it, so that {unmerged.name} is merged."
            raise InputError("has changes that are not in it yet", where=path, fix=fix, kind="sqlite-unmerged")
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.text_factory = bytes
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            yield connection
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        raise InputError(
            f"is damaged, or is not an SQLite database: {error}", where=path, fix="Fetch it again.", kind="not-sqlite"
        ) from None


def _check_schema(path: Path, connection: sqlite3.Connection) -> None:
    tables = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
    there = ", ".join(sorted(name.decode("utf-8", "backslashreplace") for name in tables)) or "none"
    fix = "Give the database of sequences, with a table sequences(contig_id, nt_sequence)."
    if b"sequences" not in tables:
        raise InputError(
            f"is not a ShardedEden database; its tables are: {there[:500]}", where=path, fix=fix, kind="eden-tables"
        )
    columns = connection.execute("PRAGMA table_xinfo(sequences)").fetchall()
    names = {name.decode("utf-8", "backslashreplace") for _, name, _, _, _, _, hidden in columns if not hidden}
    if not names.issuperset(COLUMNS):
        problem = f"its table sequences has the columns {', '.join(sorted(names))[:500]}"
        raise InputError(f"is not a ShardedEden database: {problem}", where=path, fix=fix, kind="eden-columns")
    if (tables[b"sequences"] or b"").upper().startswith(b"CREATE VIRTUAL"):
        raise InputError(
            "is not a ShardedEden database: its table sequences is virtual",
            where=path,
            fix=fix,
            kind="eden-virtual-table",
        )
    try:
        connection.execute("SELECT rowid FROM sequences LIMIT 0")
    except sqlite3.OperationalError:
        raise InputError(
            "its table sequences has no row ids, which give the order", where=path, fix=fix, kind="eden-row-ids"
        ) from None


def _invalid(name: object, sequence: object) -> tuple[str, str] | None:
    """Kind and problem of a row that cannot be taken."""
    if not isinstance(name, bytes) or not name:
        return "no-record-name", "contig_id is not text, or empty"
    if not isinstance(sequence, bytes):
        return "field-not-text", "nt_sequence is not text"
    if not sequence:
        return "no-sequence", "nt_sequence is empty"
    return ("nul", "nt_sequence has a NUL") if b"\0" in sequence else None
