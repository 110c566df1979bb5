"""A labelled task that counting cannot solve: which of two motifs of promoters comes first, CCAAT or TATA box.

    python -m benchmarks.motifs motifs [--sequences 4000] [--length 48]

Every sequence is random but for both motifs, so that the two classes have the same k-mers, of any k up to the distance
between the motifs. Writes train.csv, dev.csv and test.csv with the columns sequence and label: `promoter` where
the CCAAT box comes before the TATA box, `turned` where it comes after it.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

MOTIFS = ("GGCCAATC", "TATAAAAG")
LABELS = ("promoter", "turned")
APART = 8
"""Bases between the motifs, and between them and the ends, at least: no k-mer up to that length touches both, or is
missing because a motif is at an end."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the three files."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out", type=Path)
    options.add_argument("--sequences", type=int, default=4_000, help="of train; dev has a tenth, test half")
    options.add_argument("--length", type=int, default=48, help="bases")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(arguments)
    write_motifs(given.out, sequences=given.sequences, length=given.length, seed=given.seed)


def write_motifs(folder: Path, *, sequences: int, length: int, seed: int = 1) -> None:
    """Write `folder` with train.csv, dev.csv and test.csv, half of each label."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for name, count in (("train", sequences), ("dev", sequences // 10), ("test", sequences // 2)):
        with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("sequence", "label"))
            rows.writerows(_rows(random, count, length))


def _rows(random: np.random.Generator, count: int, length: int) -> Iterator[tuple[str, str]]:
    size = len(MOTIFS[0])
    for number in range(count):
        label = number % 2
        bases = np.frombuffer(b"ACGT", np.uint8)[random.integers(4, size=length)]
        early = int(random.integers(APART, length - 2 * (size + APART) + 1))
        late = int(random.integers(early + size + APART, length - size - APART + 1))
        for place, motif in zip((early, late), MOTIFS if label == 0 else MOTIFS[::-1], strict=True):
            bases[place : place + size] = np.frombuffer(motif.encode(), np.uint8)
        yield bases.tobytes().decode(), LABELS[label]


if __name__ == "__main__":
    main()
