"""A genome made up so that its entropy rate is known, and that no Markov chain of a low order finds its structure.

Each base depends on the one before it and on the one nine before it: the pair chooses an order of preference among A,
C, G and T, and the base is the first, second, third or fourth of them with the probabilities `PREFERENCE`. Whatever
the pair, the choice has the same entropy, so the entropy rate is that of `PREFERENCE`, exactly. A chain of order 6
sees one of the two.
"""

import math
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foundation.atomic import atomic_file

PREFERENCE = (0.85, 0.05, 0.05, 0.05)
LAG = 9
LINE = 80
VALIDATION_FRACTION = 0.1
CORPUS = "runs/synthetic_corpus"
"""Where the corpus of the default genome is kept, from the working directory."""

ENTROPY_RATE = -sum(p * math.log2(p) for p in PREFERENCE)
"""Bits per base; 0.848."""


def write_synthetic_genome(path: Path, *, contigs: int = 60, contig_length: int = 25_000, seed: int = 0) -> None:
    """Write a FASTA file of `contigs` contigs of `contig_length` bases; the same bytes for the same arguments."""
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        for number, bases in enumerate(_contigs(contigs, contig_length, seed), start=1):
            file.write(b">synthetic_%d length=%d seed=%d\n" % (number, contig_length, seed))
            for start in range(0, contig_length, LINE):
                file.write(bases[start : start + LINE] + b"\n")


def ensure_synthetic_corpus(directory: Path) -> None:
    """Prepare a corpus of the default genome in `directory`, unless one is there.

    Of several runs that start together each makes one; the first keeps the place, and the others use it.
    """
    from corpus.preparation.prepare import prepare
    from corpus.settings import Settings
    from corpus.splits.rule import SplitRule

    if (directory / "manifest.json").exists():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as folder:
        genome = Path(folder) / "synthetic_genome.fa"
        write_synthetic_genome(genome)
        made = Path(folder) / directory.name
        prepare([genome], made, Settings(split=SplitRule(validation_fraction=VALIDATION_FRACTION)))
        try:
            made.rename(directory)
        except OSError:
            if not (directory / "manifest.json").exists():
                raise


def _contigs(contigs: int, length: int, seed: int) -> list[bytes]:
    """All contigs at once: column t of an array [contigs, length] is made from columns t - 1 and t - LAG."""
    random = np.random.default_rng(seed)
    preferences = np.stack([random.permutation(4) for _ in range(16)]).reshape(4, 4, 4)
    rank: npt.NDArray[np.int64] = random.choice(4, size=(contigs, length), p=PREFERENCE)
    bases = np.empty((contigs, length), dtype=np.int64)
    bases[:, :LAG] = random.integers(0, 4, size=(contigs, min(LAG, length)))
    for column in range(LAG, length):
        bases[:, column] = preferences[bases[:, column - 1], bases[:, column - LAG], rank[:, column]]
    letters = np.frombuffer(b"ACGT", np.uint8)[bases]
    return [row.tobytes() for row in letters]
