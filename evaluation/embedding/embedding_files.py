"""Embeddings as a file: Parquet, one row per sequence or a base; or safetensors. Whole or not at all."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.embedding.embedding import Embedding
from evaluation.likelihood.names import check_names
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.progress import Advance, no_progress

SUFFIXES = (".parquet", ".safetensors")


def check_embedding_file(
    path: Path, *, fasta: Path | None = None, bed: Path | None = None, per_base: bool = False
) -> None:
    """Before any work: refuse a suffix, and names that come twice where each is a tensor. Errors: `InputError`."""
    if path.suffix.lower() not in SUFFIXES:
        fix = f"End it in {' or '.join(SUFFIXES)}."
        raise InputError("is not the name of an embedding file", where=path, fix=fix, kind="embedding-suffix")
    if per_base and fasta is not None and path.suffix.lower() == ".safetensors":
        check_names(fasta, path, bed=bed)


def write_embeddings(
    embeddings: Iterable[Embedding], path: Path, settings: dict[str, str], advance: Advance = no_progress
) -> int:
    """Write `path`; how many sequences it holds. `settings` go into the file's metadata.

    Parquet streams: name, contig, start, end, strand, embedding; for a base: name, contig, position, strand, base,
    embedding. `position` and `base` are the genome's; where `strand` is "-", the complement of `base` was read, and
    the rows go down, in the order of reading.
    safetensors holds one `embeddings` of [sequences, hidden] with the names, as JSON, in its metadata; or, for bases,
    a tensor of [bases, hidden] for each name; all are in memory until the end.
    """
    check_embedding_file(path)
    with atomic_file(path) as temporary:
        counted = _counted(embeddings, advance)
        if path.suffix.lower() == ".parquet":
            return _write_parquet(counted, temporary, settings)
        return _write_safetensors(_check_unique_names(counted, path), temporary, settings)


def _counted(embeddings: Iterable[Embedding], advance: Advance) -> Iterator[Embedding]:
    for one in embeddings:
        advance(1)
        yield one


def _check_unique_names(embeddings: Iterable[Embedding], path: Path) -> Iterator[Embedding]:
    """The embeddings, once it is known that those of bases can be tensors of their names in the file `path`."""
    seen = set[str]()
    for one in embeddings:
        if one.values.ndim == 2 and one.region.name in seen:
            problem = f"two sequences have the name {one.region.name!r}"
            raise InputError(
                problem, where=path, fix="Give them different names, or write Parquet.", kind="duplicate-name"
            )
        seen.add(one.region.name)
        yield one


def _write_parquet(embeddings: Iterable[Embedding], path: Path, settings: dict[str, str]) -> int:
    count = 0
    with _writer(path, settings) as write:
        for count, one in enumerate(embeddings, start=1):  # noqa: B007
            write(one)
    return count


@contextmanager
def _writer(path: Path, settings: dict[str, str]) -> Iterator[Any]:
    from pyarrow import parquet

    writer: Any = None
    waiting: list[Embedding] = []

    def flush() -> None:
        nonlocal writer
        if waiting:
            table = _table(waiting).replace_schema_metadata(settings)
            writer = writer or parquet.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
            waiting.clear()

    def write(one: Embedding) -> None:
        waiting.append(one)
        if len(waiting) >= 1000 or one.values.ndim == 2:
            flush()

    yield write
    flush()
    if writer:
        writer.close()


def _table(rows: list[Embedding]) -> Any:
    import pyarrow as pa

    values = np.concatenate([np.atleast_2d(one.values) for one in rows])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    if rows[0].values.ndim == 1:
        starts = [one.region.start for one in rows]
        columns = {
            "name": [one.region.name for one in rows],
            "contig": [one.region.contig for one in rows],
            "start": pa.array(starts, pa.int64()),
            "end": pa.array([start + len(one.region.ids) for start, one in zip(starts, rows, strict=True)], pa.int64()),
            "strand": [one.region.strand for one in rows],
        }
    else:
        region = rows[0].region
        count = len(region.ids)
        places = np.arange(region.start, region.start + count)
        step = -1 if region.strand == "-" else 1
        columns = {
            "name": [region.name] * count,
            "contig": [region.contig] * count,
            "position": pa.array(places[::step]),
            "strand": [region.strand] * count,
            "base": list(region.ids[::step].tobytes().decode("latin-1")),
        }
    return pa.table({**columns, "embedding": vectors})


def _write_safetensors(embeddings: Iterable[Embedding], path: Path, settings: dict[str, str]) -> int:
    from safetensors.numpy import save_file

    rows = list(embeddings)
    names = [one.region.name for one in rows]
    if rows and rows[0].values.ndim == 2:
        tensors = {one.region.name: np.ascontiguousarray(one.values) for one in rows}
    else:
        tensors = {"embeddings": np.stack([one.values for one in rows])}
    save_file(tensors, path, metadata={**settings, "names": json.dumps(names)})
    _sort_metadata(path)
    return len(rows)


def _sort_metadata(path: Path) -> None:
    """Put the metadata in order, which safetensors writes in another one each time."""
    with open(path, "r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(text) <= size
        file.seek(8)
        file.write(text.ljust(size))
