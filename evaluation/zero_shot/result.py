"""What a model achieves on a task: its measures as JSON, and a table of the single items as Parquet."""

import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.typed import from_json, to_json
from foundation.untrusted import read_json

FORMAT = "genomic-llama zero-shot 1"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number.

    part
        The class of items that it is of, "" for all.
    low, high
        A 95% interval, where there is one; `error`: a standard error.
    count, positives, clusters
        Items; those of them that are positive; and the groups that were resampled for the interval.
    better
        "higher" or "lower". `chance`: what a guess achieves, or whatever `chance_name` says.
    """

    metric: str
    value: float
    part: str = ""
    low: float | None = None
    high: float | None = None
    error: float | None = None
    count: int = 0
    positives: int | None = None
    clusters: int | None = None
    better: str = "higher"
    chance: float | None = None
    chance_name: str = "chance"

    @property
    def key(self) -> tuple[str, str]:
        """What rows of two models share."""
        return self.metric, self.part


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a task's function returns.

    measures
        The headline first.
    items
        Columns of one length: a row per variant, sequence or record.
    left_out
        How many items were not measured, by reason.
    notes
        What a reader of the numbers has to know: a shorter window, say.
    """

    measures: Sequence[Measure]
    items: Mapping[str, Sequence[Any]]
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """A model's result on a task. `weights`: the digest of the model; `failed`: why there is no result."""

    task: str
    title: str
    model: str
    weights: str
    run: str | None
    step: int | None
    parameters: int
    dtype: str
    versions: dict[str, str]
    measures: tuple[Measure, ...]
    left_out: dict[str, int]
    notes: tuple[str, ...]
    failed: str | None = None


def model_folder(out: Path, model: Path) -> Path:
    """Where the results of a model are: named after the last two parts of its path."""
    parts = Path(os.path.abspath(model)).parts[1:][-2:]
    return out / re.sub(r"[^A-Za-z0-9._=-]", "_", "-".join(parts) or "model")


def result_path(folder: Path, task: str) -> Path:
    """The measures of a task."""
    return folder / f"{task}.json"


def items_path(folder: Path, task: str) -> Path:
    """The table of the items of a task."""
    return folder / f"{task}.items.parquet"


def write_result(result: TaskResult, folder: Path) -> None:
    """Write the measures, whole or not at all."""
    with atomic_file(result_path(folder, result.task)) as temporary:
        content = {"format": FORMAT, "result": to_json(result)}
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")


def read_result(path: Path) -> TaskResult:
    """Read what `write_result` wrote. Errors: `InputError` for another file."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        fix = "Move it away, or choose another --out."
        raise InputError(f"is not a result ({FORMAT!r})", where=path, fix=fix, kind="not-a-zero-shot-result")
    return from_json(TaskResult, content.get("result"), str(path))


def items_table(items: Mapping[str, Sequence[Any]]) -> bytes:
    """The items as a Parquet file; the same items give the same bytes."""
    import pyarrow
    from pyarrow import parquet

    table = io.BytesIO()  # a dictionary's page has bytes that nothing sets
    parquet.write_table(pyarrow.table(dict(items)), table, compression="zstd", use_dictionary=False)
    return table.getvalue()


def write_items(table: bytes, path: Path) -> None:
    """Write what `items_table` made, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(table)


def read_items(path: Path) -> dict[str, list[Any]]:
    """Columns by name. Errors: `InputError`."""
    from pyarrow import ArrowException, parquet

    try:
        found: dict[str, list[Any]] = parquet.read_table(path, use_threads=False).to_pydict()
    except (ArrowException, OSError) as error:
        fix = "Remove it, and run the task again."
        raise InputError(f"cannot be read ({error})", where=path, fix=fix, kind="not-parquet") from error
    return found
