"""Log-probability of every base as a file: bedGraph, bigWig or Parquet, by its suffix; whole or not at all.

Values are natural logs. Where both strands were read, bedGraph and bigWig hold their mean, Parquet holds both.
bedGraph and bigWig have one value per base, so regions that overlap and records of one name are refused.
"""

import gzip
import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import numpy as np

from evaluation.likelihood.bed import check_disjoint
from evaluation.likelihood.likelihood import Logs
from evaluation.likelihood.names import check_names
from evaluation.likelihood.regions import Region
from evaluation.likelihood.scoring import Track
from foundation.atomic import atomic_file
from foundation.errors import InputError
from tokenizer.sequence import Ids

_BIGWIG = (".bw", ".bigwig")
SUFFIXES = (".bedgraph", ".bedgraph.gz", *_BIGWIG, ".parquet")


def check_track(path: Path, *, fasta: Path | None = None, bed: Path | None = None) -> None:
    """Before any work: refuse a suffix that is not a track's, and what a track of that kind cannot hold.

    That is regions of `bed` that overlap, or, without one, records of `fasta` that share a name.
    Errors: `InputError`.
    """
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        fix = f"End it in one of {', '.join(SUFFIXES)}."
        raise InputError("is not the name of a track", where=path, fix=fix, kind="track-suffix")
    if name.endswith(_BIGWIG):
        require_pybigwig(path, fix="Install it: pip install -e '.[tracks]'; or write .bedgraph or .parquet.")
    if name.endswith(".parquet"):
        return
    if bed is not None:
        check_disjoint(bed, path)
    elif fasta is not None and fasta != Path("-"):
        check_names(fasta, path)


def require_pybigwig(path: Path, *, fix: str) -> None:
    """Refuse `path` where what reads and writes it is not installed. Errors: `InputError`."""
    try:
        import pyBigWig  # noqa: F401
    except ImportError:
        raise InputError(
            "needs pyBigWig, which is not installed", where=path, fix=fix, kind="missing-package"
        ) from None


@contextmanager
def open_track(path: Path) -> Iterator[Track]:
    """A track that takes the name `path` when all is written."""
    check_track(path)
    name = path.name.lower()
    with atomic_file(path) as temporary:
        if name.endswith(".parquet"):
            with ParquetBases(temporary, ("forward", "reverse")) as parquet:
                yield _Parquet(parquet)
        elif name.endswith(_BIGWIG):
            bigwig = _BigWig(path)
            yield bigwig
            bigwig.write(temporary)
        else:
            with _text(temporary, compressed=name.endswith(".gz")) as file:
                yield _BedGraph(file, path)


@contextmanager
def _text(path: Path, *, compressed: bool) -> Iterator[IO[str]]:
    """A text file; gzip without name and time, so that the same lines are the same bytes."""
    if not compressed:
        with open(path, "w", encoding="utf-8") as file:
            yield file
        return
    with (
        open(path, "wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream,
        io.TextIOWrapper(stream, encoding="utf-8") as text,
    ):
        yield text


class _BedGraph:
    def __init__(self, file: IO[Any], path: Path) -> None:
        self._file, self._taken = file, _Taken(path)

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        self._taken.add(region)
        values = _mean(forward, reverse)
        scored = np.flatnonzero(np.isfinite(values))
        rows = zip((scored + region.start).tolist(), values[scored].tolist(), strict=True)
        self._file.writelines(f"{region.contig}\t{at}\t{at + 1}\t{value:.6g}\n" for at, value in rows)


class _BigWig:
    """Kept in memory until the end, 8 bytes per base: the format needs ordered contigs and their lengths first."""

    def __init__(self, path: Path) -> None:
        self._taken = _Taken(path)
        self._lengths: dict[str, int] = {}
        self._parts: dict[str, list[tuple[int, Logs]]] = {}

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        self._taken.add(region)
        length = region.contig_length or region.start + len(region.ids)
        self._lengths[region.contig] = max(self._lengths.get(region.contig, 0), length)
        self._parts.setdefault(region.contig, []).append((region.start, _mean(forward, reverse)))

    def write(self, path: Path) -> None:
        import pyBigWig

        contigs = sorted(self._lengths, key=str.encode)  # readers search by name
        with pyBigWig.open(str(path), "w") as file:
            file.addHeader([(name, self._lengths[name]) for name in contigs])
            for name in contigs:
                for start, values in sorted(self._parts[name], key=itemgetter(0)):
                    scored = np.flatnonzero(np.isfinite(values))
                    if len(scored):
                        starts, chosen = scored + start, values[scored].astype(np.float64)
                        file.addEntries(name, starts, values=chosen, span=1)


class _Taken:
    """Which bases of each contig have a value, so that none gets two."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._contigs: dict[str, list[tuple[int, int]]] = {}

    def add(self, region: Region) -> None:
        """Take the bases of `region`. Errors: `InputError` for one that is taken."""
        contig = self._contigs.setdefault(region.contig, [])
        start, end = region.start, region.start + len(region.ids)
        place = bisect_right(contig, start, key=itemgetter(0))
        for first, last in contig[max(0, place - 1) : place + 1]:
            if max(first, start) < min(last, end):
                problem = f"two regions of {region.contig} overlap at {max(first, start):,}, which it cannot hold"
                fix = "Merge the regions, or write Parquet."
                raise InputError(problem, where=self._path, fix=fix, kind="regions-overlap")
        contig.insert(place, (start, end))


class _Parquet:
    def __init__(self, bases: "ParquetBases") -> None:
        self._bases = bases

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        self._bases.add(region, [forward, reverse])


class ParquetBases:
    """Columns: name, contig, position (from 0), strand of the region, base, and float32 `values`, or null.

    `base` is the genome's letter at `position`, whatever the strand; embeddings have the same columns.
    """

    def __init__(self, path: Path, values: Sequence[str]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        names = pa.dictionary(pa.int32(), pa.string())
        self._schema = pa.schema(
            [("name", names), ("contig", names), ("position", pa.int64()), ("strand", names), ("base", names)]
            + [(value, pa.float32()) for value in values]
        )
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> "ParquetBases":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, region: Region, values: Sequence[Logs | None]) -> None:
        import pyarrow as pa

        count = len(region.ids)
        columns = [
            _constant(region.name, count), _constant(region.contig, count),
            pa.array(np.arange(region.start, region.start + count)), _constant(region.strand, count),
            _letters(region.ids),
            *(_nullable(one, count) for one in values),
        ]  # fmt: skip
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))


def _letters(ids: Ids) -> Any:
    """The bases as text, from those that are there: of values that come twice Arrow 21 writes what memory held."""
    import pyarrow as pa

    shown = np.where(ids > 31, ids, 0)
    there = np.flatnonzero(np.bincount(shown, minlength=256))
    codes = np.searchsorted(there, shown).astype(np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(codes), pa.array([chr(one) if one else "" for one in there.tolist()])
    )


def _constant(text: str, count: int) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), pa.array([text]))


def _nullable(values: Logs | None, count: int) -> Any:
    import pyarrow as pa

    return pa.nulls(count, pa.float32()) if values is None else pa.array(values, from_pandas=True)


def _mean(forward: Logs | None, reverse: Logs | None) -> Logs:
    """The one reading, or the mean of both where both have a value."""
    if forward is None or reverse is None:
        one = forward if forward is not None else reverse
        assert one is not None
        return one
    mean: Logs = np.where(np.isnan(forward), reverse, np.where(np.isnan(reverse), forward, (forward + reverse) / 2))
    return mean
