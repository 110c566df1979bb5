"""The cells and columns of tables that callers give. Pandas is not imported."""

from typing import Any

from foundation.errors import InputError


def is_missing(value: Any) -> bool:
    """Whether it is None, NaN, NaT, or `pandas.NA`."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return hasattr(value, "__float__") and not hasattr(value, "__len__") and bool(value != value)


def check_present(value: Any, what: str, row: int) -> Any:
    """`value` of the row number `row`, from 0. Errors: `InputError` where it is missing; `what`: its column."""
    if is_missing(value):
        where, fix = f"row {row} of the table", "Fill it in, or drop the row."
        raise InputError(f"has no {what}", where=where, fix=fix, kind="missing-cell")
    return value


def one_column(table: Any, name: str) -> Any:
    """The column `name`. Errors: `InputError` where several columns, or those of a level below, have this name."""
    found = table[name]
    if hasattr(found, "columns"):
        problem, fix = f"the table has several columns under {name!r}", "Rename all but one, or drop them."
        raise InputError(problem, fix=fix, kind="column-twice")
    return found


def check_once(columns: Any, *names: Any) -> None:
    """Errors: `InputError` for one of `names` that two or more of `columns` have."""
    for name in names:
        if (count := sum(1 for column in columns if column == name)) > 1:
            fix = "Rename all but one, or drop them."
            raise InputError(f"the table has {count} columns {name!r}", fix=fix, kind="column-twice")
