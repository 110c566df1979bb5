"""Regions of a BED file with the values that a bigWig has there: labels of a head with one number per base."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.regions import Region, oriented, read_regions
from evaluation.likelihood.tracks import require_pybigwig
from foundation.errors import InputError
from foundation.terminal import warn

BED = (".bed", ".bed.gz")

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Where the values of regions are: in a bigWig of the contigs of `genome`, a FASTA file or a corpus.

    `fill`: of bases that the bigWig leaves out; None: they have no label.
    """

    genome: Path
    bigwig: Path
    fill: float | None = None


def signal_of(genome: str | None, bigwig: str | None, fill: float | None) -> Signal | None:
    """Of settings. Errors: `InputError` where one file is given without the other."""
    if (genome is None) != (bigwig is None):
        fix = "Give both: the FASTA file of the regions, and the bigWig with their labels."
        raise InputError(f"genome is {genome}, and bigwig is {bigwig}", fix=fix, kind="bigwig-option")
    return Signal(genome=Path(genome), bigwig=Path(bigwig), fill=fill) if genome and bigwig else None


def is_bed(path: Path) -> bool:
    """Whether a file is one of regions, by its name."""
    return path.name.lower().endswith(BED)


def read_signal(bed: Path, signal: Signal) -> Iterator[tuple[Region, str, Values]]:
    """Each region as it is read on its strand: itself, its bases, and a value per base, NaN for none.

    A contig may be called chr1 in one file and 1 in the other. Bases without a value are counted and said. Errors:
    `InputError` for a contig that the bigWig lacks, or has in another length.
    """
    bases = without = 0
    with open_bigwig(signal.bigwig) as bigwig:
        lengths: dict[str, int] = bigwig.chroms()
        for region in read_regions(signal.genome, bed=bed):
            contig = _contig(region, lengths, signal, f"{bed}, region {region.name!r}")
            values: Values = bigwig.values(contig, region.start, region.start + len(region.ids), numpy=True)
            if np.isinf(values).any():
                problem = f"is infinite in the region {region.name!r}"
                raise InputError(problem, where=signal.bigwig, fix="Repair it.", kind="label-not-numeric")
            bases, without = bases + len(values), without + int(np.isnan(values).sum())
            if signal.fill is not None:
                values = np.where(np.isnan(values), np.float32(signal.fill), values)
            ids, _ = oriented(region, reverse=False)
            yield region, ids.tobytes().decode(), values[::-1] if region.strand == "-" else values
    if without:
        have, are, they = ("has", "is", "it") if without == 1 else ("have", "are", "they")
        what = f"{have} no label" if signal.fill is None else f"{are} taken as {signal.fill:g}"
        warn(f"{bed}: {without:,} of {bases:,} bases {have} no value in {signal.bigwig}; {they} {what}")


@contextmanager
def open_bigwig(path: Path) -> Iterator[Any]:
    """The bigWig file `path`, a local one, of pyBigWig. Errors: `InputError`."""
    if not path.is_file():
        raise InputError("no such file", where=path, fix="Check the path.", kind="missing-file")
    require_pybigwig(path, fix="Install it: pip install -e '.[tracks]'.")
    import pyBigWig

    try:
        file = pyBigWig.open(str(path.absolute()))
        readable = file.isBigWig()
    except RuntimeError:
        readable = False
    if not readable:
        raise InputError("is not a bigWig file", where=path, fix="Write it again.", kind="not-bigwig")
    with file:
        yield file


def _contig(region: Region, lengths: dict[str, int], signal: Signal, where: str) -> str:
    """The name in the bigWig of the contig of a region."""
    name = region.contig
    found = next((one for one in (name, f"chr{name}", name.removeprefix("chr")) if one in lengths), None)
    if found is None:
        problem = f"is on {name!r}, which {signal.bigwig} does not have; it has {', '.join(sorted(lengths)[:5])}"
        fix = "Give a bigWig of this genome, or leave the region out."
        raise InputError(problem, where=where, fix=fix, kind="bigwig-contig")
    if region.contig_length is not None and lengths[found] != region.contig_length:
        problem = f"is on {name!r} of {region.contig_length:,} bases, and in {signal.bigwig} it has {lengths[found]:,}"
        fix = "Give genome and bigWig of one assembly."
        raise InputError(problem, where=where, fix=fix, kind="bigwig-assembly")
    return found
