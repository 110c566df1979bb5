"""Random samples of a corpus that is not in memory: ours, and `pread` of the same bytes.

    python -m benchmarks.cold_reads --directory /a/disk        3 GB are written there; a minute

Before each turn the pages of the corpus are dropped (POSIX_FADV_DONTNEED): once those of tokens and index, once those
of tokens alone, as after opening, which reads the index. Both sides read the same samples in the same order, from one
thread; ours makes examples of them too.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.samples import SEQ_LENGTH, document_lengths, ours, write_corpus
from corpus.samples.dataset import SampleDataset
from corpus.samples.windows import DocumentWindows
from corpus.store.index_format import bin_path, idx_path
from corpus.store.stream import TokenStream


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, help="where there is room for the corpus")
    parser.add_argument("--documents", type=int, default=750_000, help="of 4,000 bases on average")
    parser.add_argument("--samples", type=int, default=4_000, help="of a turn")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as folder:
        prefix = Path(folder) / "train"
        write_corpus(prefix, document_lengths(given.documents))
        dataset = ours(DocumentWindows(TokenStream([prefix]), SEQ_LENGTH))
        gigabytes = bin_path(prefix).stat().st_size / 1e9
        print(f"| {given.samples:,} random samples of {gigabytes:.1f} GB | ours, samples/s | `pread`, samples/s | |")
        print("| --- | ---: | ---: | ---: |")
        for state, cold in (
            ("tokens and index not in memory", (bin_path(prefix), idx_path(prefix))),
            ("tokens not in memory", (bin_path(prefix),)),
        ):
            idx_path(prefix).read_bytes()  # all of it in memory, as after opening
            turns = [
                (by_us(cold, dataset, given.samples), by_pread(prefix, dataset, given.samples))
                for _ in range(given.rounds)
            ]
            mine, theirs = (given.samples / statistics.median(side) for side in zip(*turns, strict=True))
            ratio = statistics.median(other / own for own, other in turns)
            print(f"| {state} | {mine:,.0f} | {theirs:,.0f} | **{ratio:.2f} x** |", flush=True)


def drop(paths: Sequence[Path]) -> None:
    """Drop the pages of files from memory."""
    for path in paths:
        handle = os.open(path, os.O_RDWR)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def by_us(cold: Sequence[Path], dataset: SampleDataset, samples: int) -> float:
    """Seconds of so many examples, after the pages of the `cold` files were dropped."""
    drop(cold)
    began = time.perf_counter()
    for index in range(samples):
        dataset[index]
    return time.perf_counter() - began


def by_pread(prefix: Path, dataset: SampleDataset, samples: int) -> float:
    """Seconds of reading the same stored bytes."""
    (windows,) = dataset.sources
    places = [place.sample for index in range(samples) if (place := dataset.order(index))]
    spans = [windows.spans(sample)[0] for sample in places]
    drop([bin_path(prefix)])
    handle = os.open(bin_path(prefix), os.O_RDONLY)
    began = time.perf_counter()
    for start, stop in spans:
        os.pread(handle, stop - start, start)
    took = time.perf_counter() - began
    os.close(handle)
    return took


if __name__ == "__main__":
    main()
