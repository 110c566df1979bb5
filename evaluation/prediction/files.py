"""Predictions as a file: Parquet or TSV, a row per record, per variant, or per base; numbers per base as a track too.

Whole or not at all.
"""

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from configs.heads import Head
from evaluation.likelihood.tracks import open_track
from evaluation.prediction.predicting import Prediction
from evaluation.prediction.records import Record
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.progress import Advance, no_progress

SUFFIXES = (".parquet", ".tsv")
TRACKS = (".bw", ".bigwig", ".bedgraph", ".bedgraph.gz")
_AT_ONCE = 1000  # rows of a Parquet group


def check_prediction_file(path: Path) -> None:
    """Before any work: refuse a suffix. Errors: `InputError`."""
    if path.suffix.lower() not in SUFFIXES and not is_track(path):
        fix = f"End it in {' or '.join(SUFFIXES)}, or for numbers per base in {' or '.join(TRACKS)}."
        raise InputError("is not the name of a file of predictions", where=path, fix=fix, kind="prediction-suffix")


def is_track(path: Path) -> bool:
    """Whether a file is a track with one number per base of a genome."""
    return path.name.lower().endswith(TRACKS)


def write_predictions(
    predictions: Iterable[Prediction], path: Path, head: Head, *, paired: bool = False, advance: Advance = no_progress
) -> int:
    """Write `path`; how many rows it has. `paired`: two predictions are one variant, its reference and alternative.

    Classes: `prediction` and a column `p_CLASS` of probabilities for each. Several labels: `p_LABEL`. Numbers: a
    column for each. Variants have each of these for `ref` and `alt`, and their difference. Heads per base have a row
    per base, `offset` counted from 0 in the record; of a region with `position`, from 0 in its contig.
    """
    check_prediction_file(path)
    if is_track(path):
        return _write_track(predictions, path, advance)
    count = 0
    rows = _pairs(predictions, head, advance) if paired else table_rows(predictions, head, advance)
    with atomic_file(path) as temporary:
        write = _parquet if path.suffix.lower() == ".parquet" else _tsv
        with write(temporary) as take:
            while group := list(islice(rows, _AT_ONCE)):
                take(group)
                count += len(group)
    return count


def _write_track(predictions: Iterable[Prediction], path: Path, advance: Advance) -> int:
    """Values in the order of the contig; how many there are."""
    count = 0
    with open_track(path) as track:
        for one in predictions:
            region, values = one.record.region, one.outputs[:, 0].astype(np.float32)
            assert region is not None
            track.add(region, values[::-1] if region.strand == "-" else values, None)
            count += len(values)
            advance(1)
    return count


def table_rows(predictions: Iterable[Prediction], head: Head, advance: Advance) -> Iterator[dict[str, Any]]:
    """Columns and values: a row per record, or per base."""
    for one in predictions:
        about: dict[str, Any] = {**one.record.columns, "length": one.record.length}
        if head.per_base:
            for offset, values in enumerate(one.outputs):
                yield {**about, "offset": offset, **_position(one.record, offset), **_values(values, head)}
        else:
            yield {**about, **_values(one.outputs, head)}
        advance(1)


def _position(record: Record, offset: int) -> dict[str, int]:
    """Of a base, in the contig of a region; nothing where there is none."""
    if record.region is None or "contig" not in record.columns:
        return {}
    region = record.region
    return {"position": region.start + (len(region.ids) - 1 - offset if region.strand == "-" else offset)}


def _pairs(predictions: Iterable[Prediction], head: Head, advance: Advance) -> Iterator[dict[str, Any]]:
    names, remaining = output_names(head), iter(predictions)
    while pair := list(islice(remaining, 2)):
        reference, alternative = pair
        row: dict[str, Any] = dict(reference.record.columns)
        for number, name in enumerate(names):
            before, after = float(reference.outputs[number]), float(alternative.outputs[number])
            row |= {f"{name}_ref": before, f"{name}_alt": after, f"{name}_delta": after - before}
        yield row
        advance(2)


def output_names(head: Head) -> list[str]:
    """The columns of outputs."""
    return [label if head.mean else f"p_{label}" for label in head.labels]


def _values(outputs: Any, head: Head) -> dict[str, Any]:
    values: dict[str, Any] = dict(zip(output_names(head), map(float, outputs), strict=True))
    if head.kind in ("classify", "tokens"):
        return {"prediction": head.labels[int(np.argmax(outputs))], **values}
    return values


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    writer: Any = None

    def take(rows: list[dict[str, Any]]) -> None:
        nonlocal writer
        table = pa.Table.from_pylist(rows) if writer is None else pa.Table.from_pylist(rows, schema=writer.schema)
        writer = writer or parquet.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)

    yield take
    if writer is None:
        parquet.write_table(pa.table({}), path)
    else:
        writer.close()


@contextmanager
def _tsv(path: Path) -> Iterator[Any]:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        begun = False

        def take(rows: list[dict[str, Any]]) -> None:
            nonlocal begun
            if not begun:
                writer.writerow(rows[0])
                begun = True
            writer.writerows([_shown(value) for value in row.values()] for row in rows)

        yield take


def _shown(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
