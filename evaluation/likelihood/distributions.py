"""What a model expects at each base, as files: Parquet, or a bigWig for each letter, for EOS and for the entropy.

Letters are the genome's on either strand: what the reverse reading expects is complemented. Where both strands were
read, a bigWig holds their mean, Parquet both.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evaluation.likelihood.forward import DISTRIBUTION
from evaluation.likelihood.likelihood import Logs
from evaluation.likelihood.regions import Region
from evaluation.likelihood.scoring import Track
from evaluation.likelihood.tracks import ParquetBases, check_track, open_track
from foundation.atomic import atomic_file
from foundation.errors import InputError

SUFFIXES = (".parquet", ".bw")


def distribution_files(path: Path) -> list[Path]:
    """What is written for `path`: itself, or for OUT.bw OUT.A.bw, OUT.C.bw, ... Errors: `InputError` for a suffix."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        fix = f"End it in {' or '.join(SUFFIXES)}."
        raise InputError("is not the name of a distribution file", where=path, fix=fix, kind="distribution-suffix")
    return [path] if suffix == ".parquet" else [path.with_suffix(f".{name}.bw") for name in DISTRIBUTION]


def check_distribution(path: Path, *, fasta: Path | None = None, bed: Path | None = None) -> None:
    """Before any work: refuse what the files cannot hold, as `check_track`. Errors: `InputError`."""
    check_track(distribution_files(path)[0], fasta=fasta, bed=bed)


@contextmanager
def open_distribution(path: Path) -> Iterator[Track]:
    """A track of distributions that takes its names when all is written."""
    files = distribution_files(path)
    with ExitStack() as stack:
        if len(files) == 1:
            names = [f"{strand}_{name}" for strand in ("forward", "reverse") for name in DISTRIBUTION]
            yield _Parquet(stack.enter_context(ParquetBases(stack.enter_context(atomic_file(path)), names)))
        else:
            yield _BigWigs([stack.enter_context(open_track(file)) for file in files])


class _Parquet:
    def __init__(self, bases: ParquetBases) -> None:
        self._bases = bases

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        self._bases.add(region, [_column(one, number) for one in (forward, reverse) for number in _NUMBERS])


class _BigWigs:
    def __init__(self, tracks: list[Track]) -> None:
        self._tracks = tracks

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        for number, track in enumerate(self._tracks):
            track.add(region, _column(forward, number), _column(reverse, number))


_NUMBERS = range(len(DISTRIBUTION))


def _column(values: Logs | None, number: int) -> Logs | None:
    return None if values is None else values[:, number]
