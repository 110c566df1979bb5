"""Rows of the tables in which benchmarks are published, by column: CSV, TSV, Excel and Parquet."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from foundation.errors import InputError, nearest, shown

_HEAD_WITHIN = 10  # published sheets have titles above their header
_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no", "-1", "-1.0"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row by column. `where`: file and row, for errors."""

    values: dict[str, Any]
    where: str

    def text(self, column: str) -> str:
        """The value as text, "" where there is none."""
        value = self.values.get(column)
        return "" if value is None or value != value else str(value).strip()

    def position(self, column: str) -> int:
        """A position from 1. Errors: `InputError`."""
        text = self.text(column).removesuffix(".0")  # a number in a spreadsheet
        if not re.fullmatch("[1-9][0-9]{0,9}", text):
            raise self.odd(column, "is not a position, counted from 1")
        return int(text)

    def start(self, column: str) -> int:
        """A position from 0, as in BED. Errors: `InputError`."""
        text = self.text(column)
        if not re.fullmatch("[0-9]{1,10}", text):
            raise self.odd(column, "is not a position, counted from 0")
        return int(text)

    def bases(self, column: str) -> str:
        """One base or more, upper case. Errors: `InputError`."""
        text = self.text(column).upper()
        if not re.fullmatch("[ACGT]+", text):
            raise self.odd(column, "is not a sequence of A, C, G and T")
        return text

    def flag(self, column: str) -> bool:
        """True or 1; false, 0 or -1. Errors: `InputError`."""
        text = self.text(column).lower()
        if text not in _TRUE | _FALSE:
            raise self.odd(column, "is neither true nor false")
        return text in _TRUE

    def number(self, column: str) -> float | None:
        """A number; None where there is none. Errors: `InputError`."""
        text = self.text(column)
        try:
            return float(text) if text and text.lower() not in ("na", "nan") else None
        except ValueError:
            raise self.odd(column, "is not a number") from None

    def odd(self, column: str, problem: str) -> InputError:
        """The error for a value that cannot be."""
        fix = "Give the file as it was published."
        return InputError(
            f"{column} {shown(self.text(column))} {problem}", where=self.where, fix=fix, kind="table-value"
        )


def read_rows(path: Path, needed: Sequence[str]) -> Iterator[Row]:
    """The rows of a table that has the columns `needed`. Errors: `InputError` that names the file, and the row."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        yield from _parquet(path, needed)
        return
    lines = _sheet(path) if name.endswith(".xlsx") else _delimited(path, "," if name.endswith(".csv") else "\t")
    head: list[str] | None = None
    above: list[str] = []
    for number, cells in lines:
        if head is not None:
            if any(cells):
                yield _row(head, cells, needed, f"{path}, line {number}")
        elif set(needed) <= set(cells):
            head = cells
        elif len(above := [*above, *filter(None, cells)]) and number >= _HEAD_WITHIN:
            break
    if head is None:
        raise _lacks(path, needed, above)


def _row(head: list[str], cells: list[str], needed: Sequence[str], where: str) -> Row:
    """Empty cells at the end of a row may be left out, except those of columns that are needed."""
    if any(cells[len(head) :]) or any(head.index(one) >= len(cells) for one in needed):
        problem = f"has {len(cells):,} cells, and the header has {len(head):,}"
        raise InputError(problem, where=where, fix=_FIX, kind="table-row")
    return Row(values=dict(zip(head, cells, strict=False)), where=where)


def _delimited(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    from corpus.streams.compression import open_source

    csv.field_size_limit(1 << 30)  # its own limit is 128 KiB
    with open_source(path) as stream:
        lines = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), delimiter=delimiter)
        try:
            for cells in lines:
                yield lines.line_num, [cell.strip() for cell in cells]
        except (csv.Error, UnicodeDecodeError) as error:
            where = f"{path}, line {lines.line_num}"
            raise InputError(f"cannot be read ({error})", where=where, fix=_FIX, kind="not-a-table") from None


def _sheet(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        import openpyxl
    except ImportError:
        fix = "Install it: pip install -e '.[spreadsheets]'; or save the sheet as .csv."
        raise InputError("needs openpyxl, which is not here", where=path, fix=fix, kind="missing-package") from None
    from zipfile import BadZipFile

    try:
        sheet = openpyxl.load_workbook(path, read_only=True, data_only=True).worksheets[0]
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            yield number, ["" if cell is None else str(cell).strip() for cell in cells]
    except (BadZipFile, OSError, KeyError, ValueError) as error:
        raise InputError(f"is not a spreadsheet ({error})", where=path, fix=_FIX, kind="not-a-table") from None


def _parquet(path: Path, needed: Sequence[str]) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            if not set(needed) <= set(file.schema_arrow.names):
                raise _lacks(path, needed, file.schema_arrow.names)
            rows = chain.from_iterable(batch.to_pylist() for batch in file.iter_batches(use_threads=False))
            for number, values in enumerate(rows, start=1):
                yield Row(values=values, where=f"{path}, row {number}")
    except (ArrowException, OSError) as error:
        raise InputError(f"cannot be read ({error})", where=path, fix=_FIX, kind="not-a-table") from error


def _lacks(path: Path, needed: Sequence[str], there: Sequence[str]) -> InputError:
    missing = next((one for one in needed if one not in there), needed[0])
    fix = f"{nearest(missing, there)} {_FIX}".strip()
    return InputError(f"lacks the column {missing!r}", where=path, fix=fix, kind="table-columns")


_FIX = "Give the file as it was published."
