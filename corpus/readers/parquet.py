"""Parquet: sequences in one column, read a row group at a time from Arrow's buffers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit

from corpus.readers.jsonl import NAME_FIELDS, SEQUENCE_FIELDS
from corpus.scan.batch import BATCH_BYTES, Batch
from corpus.scan.scanner import find
from corpus.scan.window import RECORDS
from corpus.streams.compression import Observe, ObservedFile, named_errors
from foundation.errors import InputError
from foundation.spelling import option
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS

_EOS = EOS.id


def read_parquet(
    path: Path, *, field: str | None = None, start: int = 0, stop: int | None = None, observe: Observe | None = None
) -> Iterator[Batch]:
    """Records of the row groups `[start, stop)`, letters not checked.

    `field`: the column of the sequences; else the first of `SEQUENCE_FIELDS` that there is.
    Errors: `InputError` with the column and the row, counted from 1, after the batches of those before it.
    """
    with _opened(path, observe) as file:
        column = _sequence_column(path, file.schema_arrow, field)
        names = _name_column(file.schema_arrow, column)
        groups = range(file.num_row_groups)[start:stop]
        if file.metadata.num_rows == 0:
            raise InputError(
                "has no records", where=path, fix="Leave it out, or check how it was made.", kind="no-record"
            )
        row = sum(file.metadata.row_group(group).num_rows for group in range(start))
        first = 1
        for group in groups:
            rows = _rows_at_a_time(file.metadata.row_group(group))
            wanted = [column, names] if names else [column]
            for table in file.iter_batches(batch_size=rows, row_groups=[group], columns=wanted, use_threads=False):
                where = f"{path}, column {column!r}"
                tokens, bounds = _tokens(table.column(column), where, row)
                ids = _strings(table.column(names)) if names else [""] * len(table)
                yield Batch(first=first, names=ids, descriptions=[""] * len(ids), tokens=tokens, bounds=bounds)
                first += len(ids)
                row += len(ids)


def row_group_bytes(path: Path) -> list[int]:
    """Stored bytes of each row group, about: its share of the file."""
    with _opened(path, None) as file:
        sizes = [max(file.metadata.row_group(group).total_byte_size, 0) for group in range(file.num_row_groups)]
    stored = path.stat().st_size
    return [size * stored // max(sum(sizes), 1) for size in sizes]


@contextmanager
def _opened(path: Path, observe: Observe | None) -> Iterator[Any]:
    """The opened file; what Arrow finds wrong with it, then or later, is an `InputError`."""
    with named_errors(path), ObservedFile(path, observe) as raw:
        try:
            yield pq.ParquetFile(raw, page_checksum_verification=True)
        except MemoryError:
            raise
        except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
            problem = f"is damaged, or is not a Parquet file: {' '.join(str(error).split())[:300]}"
            raise InputError(problem, where=path, fix="Fetch or write it again.", kind="not-parquet") from None


def _sequence_column(path: Path, schema: Any, field: str | None) -> str:
    wanted = (field,) if field else SEQUENCE_FIELDS
    if len(both := [name for name in wanted if name in schema.names]) > 1:
        raise InputError(
            f"has the columns {' and '.join(map(repr, both))}",
            where=path,
            fix=f"Name one: {option('text_field')}.",
            kind="two-text-columns",
        )
    name = next((name for name in wanted if name in schema.names), None)
    if name is None:
        there = ", ".join(map(repr, schema.names)) or "none"
        problem = f"has no column {' or '.join(map(repr, wanted))}; its columns are: {there[:500]}"
        raise InputError(problem, where=path, fix=f"Name the column with {option('text_field')}.", kind="no-text-field")
    if schema.names.count(name) > 1:
        raise InputError(f"has several columns {name!r}", where=path, fix="Rename one of them.", kind="column-twice")
    if not _is_text(schema.field(name).type):
        problem = f"column {name!r} holds {schema.field(name).type}, not strings"
        fix = f"Name the column of the sequences with {option('text_field')}."
        raise InputError(problem, where=path, fix=fix, kind="column-not-text")
    return name


def _is_text(kind: Any) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return _is_view(value) or any(test(value) for test in tests)


def _is_view(kind: Any) -> bool:
    """Whether strings lie in several buffers, as Polars writes them."""
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _name_column(schema: Any, sequence: str) -> str | None:
    there = [name for name in NAME_FIELDS if name != sequence and schema.names.count(name) == 1]
    return next(
        (name for name in there if _is_text(kind := schema.field(name).type) or pa.types.is_integer(kind)), None
    )


def _rows_at_a_time(group: Any) -> int:
    """As many as make about a batch.

    By the size of all columns: pyarrow ends the process where it is asked for one column's of a damaged file.
    """
    return int(min(max(BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1), 1), RECORDS))


def _tokens(column: Any, where: str, row: int) -> tuple[Ids, npt.NDArray[np.int64]]:
    """Tokens and bounds of an Arrow array whose first element is row `row`, from 0."""
    if column.null_count:
        null = row + column.is_null().to_numpy(zero_copy_only=False).argmax() + 1
        raise InputError("is null", where=f"{where}, row {null}", fix="Remove the row.", kind="null-sequence")
    offsets, data = _buffers(column)
    lengths = np.diff(offsets)
    if not lengths.all():
        raise InputError(
            "is empty", where=f"{where}, row {row + lengths.argmin() + 1}", fix="Remove the row.", kind="no-sequence"
        )
    nul = find(0, data, offsets[0], offsets[-1])
    if nul >= 0:
        record = int(np.searchsorted(offsets, nul, side="right")) - 1
        problem = f"has a NUL at base {nul - offsets[record] + 1}"
        raise InputError(problem, where=f"{where}, row {row + record + 1}", fix="Repair the row.", kind="nul")
    bounds = (offsets - offsets[0]) + np.arange(len(offsets))
    tokens = np.empty(bounds[-1], dtype=np.uint8)
    _separate(data, offsets, tokens)
    tokens.flags.writeable = False
    return tokens, bounds


def _buffers(column: Any) -> tuple[npt.NDArray[np.int64], Ids]:
    """Offsets, [elements + 1], and the bytes that they point into."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_view(column.type):
        column = column.cast(pa.large_binary())
    large = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    _, offsets, data = column.buffers()
    counted = np.frombuffer(offsets, dtype=np.int64 if large else np.int32)
    stop = column.offset + len(column) + 1
    return counted[column.offset : stop].astype(np.int64), np.frombuffer(data or b"", dtype=np.uint8)


@njit(cache=True, nogil=True)
def _separate(data: Ids, offsets: npt.NDArray[np.int64], tokens: Ids) -> None:
    """Each piece of `data`, and EOS after it."""
    filled = 0
    for index in range(len(offsets) - 1):
        end = filled + offsets[index + 1] - offsets[index]
        tokens[filled:end] = data[offsets[index] : offsets[index + 1]]
        tokens[end] = _EOS
        filled = end + 1


def _strings(column: Any) -> list[str]:
    return [_string(value) for value in column.to_pylist()]


def _string(value: Any) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
