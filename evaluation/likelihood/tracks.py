"""Log-probability of every base as a file: bedGraph, bigWig or Parquet, by its suffix; whole or not at all.

Values are natural logs. Where both strands were read, bedGraph and bigWig hold their mean, Parquet holds both.
"""

import gzip
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import numpy as np

from evaluation.likelihood.likelihood import Logs
from evaluation.likelihood.regions import Region, check_disjoint
from evaluation.likelihood.scoring import Track
from foundation.atomic import atomic_file
from foundation.errors import InputError

_BIGWIG = (".bw", ".bigwig")
SUFFIXES = (".bedgraph", ".bedgraph.gz", *_BIGWIG, ".parquet")


def check_track(path: Path, bed: Path | None = None) -> None:
    """Refuse a suffix that is no track's, and regions of `bed` that it cannot hold, before any work.

    Errors: `InputError`.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError("is no name of a track", where=path, fix=f"End it in one of {', '.join(SUFFIXES)}.")
    if bed is not None and path.name.lower().endswith(_BIGWIG):
        check_disjoint(bed, path)


@contextmanager
def open_track(path: Path) -> Iterator[Track]:
    """A track that takes the name `path` when all is written."""
    check_track(path)
    name = path.name.lower()
    with atomic_file(path) as temporary:
        if name.endswith(".parquet"):
            with _Parquet(temporary) as parquet:
                yield parquet
        elif name.endswith(_BIGWIG):
            bigwig = _BigWig(path)
            yield bigwig
            bigwig.write(temporary)
        else:
            with gzip.open(temporary, "wt") if name.endswith(".gz") else open(temporary, "w") as file:
                yield _BedGraph(file)


class _BedGraph:
    def __init__(self, file: IO[Any]) -> None:
        self._file = file

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        values = _mean(forward, reverse)
        scored = np.flatnonzero(np.isfinite(values))
        rows = zip((scored + region.start).tolist(), values[scored].tolist(), strict=True)
        self._file.writelines(f"{region.contig}\t{at}\t{at + 1}\t{value:.6g}\n" for at, value in rows)


class _BigWig:
    """Kept in memory until the end, eight bytes a base: the format wants contigs, in order, and their lengths first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._contigs: dict[str, _Contig] = {}

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        end = region.start + len(region.ids)
        contig = self._contigs.setdefault(region.contig, _Contig())
        if (overlap := contig.add(region.start, _mean(forward, reverse), region.contig_length or end)) is not None:
            problem = f"two regions of {region.contig} overlap at {overlap:,}, which bigWig cannot hold"
            raise InputError(problem, where=self._path, fix="Merge the regions, or write Parquet.")

    def write(self, path: Path) -> None:
        import pyBigWig

        contigs = sorted(self._contigs.items(), key=lambda item: item[0].encode())  # readers search by name
        with pyBigWig.open(str(path), "w") as file:
            file.addHeader([(name, contig.length) for name, contig in contigs])
            for name, contig in contigs:
                for start, values in contig.parts:
                    scored = np.flatnonzero(np.isfinite(values))
                    if len(scored):
                        starts, chosen = scored + start, values[scored].astype(np.float64)
                        file.addEntries(name, starts, values=chosen, span=1)


class _Contig:
    """The parts of one contig, by their starts."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, Logs]] = []
        self.length = 0

    def add(self, start: int, values: Logs, length: int) -> int | None:
        """Take a part of a contig of `length` bases; where it overlaps another, the first base that both have."""
        place = bisect_right(self.parts, start, key=itemgetter(0))
        for first, others in self.parts[max(0, place - 1) : place + 1]:
            if max(first, start) < min(first + len(others), start + len(values)):
                return max(first, start)
        self.parts.insert(place, (start, values))
        self.length = max(self.length, length)
        return None


class _Parquet:
    """Columns: name, contig, position (from 0), base, and forward and reverse ln P (null where there is none)."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        names = pa.dictionary(pa.int32(), pa.string())
        self._schema = pa.schema(
            [("name", names), ("contig", names), ("position", pa.int64()), ("base", names),
             ("forward", pa.float32()), ("reverse", pa.float32())]
        )  # fmt: skip
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> "_Parquet":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        import pyarrow as pa

        count = len(region.ids)
        letters = pa.DictionaryArray.from_arrays(
            pa.array(region.ids.astype(np.int32)), pa.array([chr(byte) if byte > 31 else "" for byte in range(256)])
        )
        columns = [
            _constant(region.name, count), _constant(region.contig, count),
            pa.array(np.arange(region.start, region.start + count)), letters,
            _nullable(forward, count), _nullable(reverse, count),
        ]  # fmt: skip
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))


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
