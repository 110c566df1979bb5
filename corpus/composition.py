"""What sequences are made of: counts a document, in one compiled pass, and the sums of a split."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numba import njit, uint8

from corpus.letters import BAR, BASES, COLUMNS, FOREIGN, JOINS, MARKUP, OTHER, SOFT_MASKED, A, C, G, N, T
from tokenizer.sequence import NUCLEOTIDES, Ids

Counts = npt.NDArray[np.int64]


def count_letters(tokens: Ids, bounds: npt.NDArray[np.int64], *, markup: bool) -> Counts:
    """Counts by `COLUMNS` of each document of a batch, shape [documents, 9]; EOS is not counted.

    With `markup`, tags and separators are not bases; without, their bytes are foreign, like all that are not IUPAC
    nucleotide codes.
    """
    counts = np.zeros((len(bounds) - 1, len(COLUMNS)), dtype=np.int64)
    _count_common(tokens, bounds, counts)
    _count_bytewise(tokens, bounds, np.flatnonzero(counts[:, OTHER]), _CLASSES[markup], counts)
    return counts


@dataclass(kw_only=True)
class Composition:
    """Running sums over documents. The histograms: documents by quarter octave of their bases, and by GC percent."""

    documents: int = 0
    totals: Counts = field(default_factory=lambda: np.zeros(len(COLUMNS), dtype=np.int64))
    lengths: Counts = field(default_factory=lambda: np.zeros(4 * 64, dtype=np.int64))
    gc_percents: Counts = field(default_factory=lambda: np.zeros(101, dtype=np.int64))

    def add(self, counts: Counts) -> None:
        """Add the documents of `count_letters`."""
        bases = counts[:, BASES].sum(axis=1)
        known = counts[:, A : T + 1].sum(axis=1)
        self.documents += len(counts)
        self.totals += counts.sum(axis=0)
        octaves = np.floor(4 * np.log2(bases[bases > 0])).astype(np.int64)
        self.lengths += np.bincount(octaves, minlength=len(self.lengths))
        gc = (counts[:, C] + counts[:, G])[known > 0] * 100 // known[known > 0]
        self.gc_percents += np.bincount(gc, minlength=len(self.gc_percents))

    @property
    def bases(self) -> int:
        """All bases: markup is none."""
        return int(self.totals[BASES].sum())


@njit(cache=True, nogil=True)
def _count_common(tokens, bounds, counts):  # type: ignore[no-untyped-def]
    for document in range(len(counts)):
        end = bounds[document + 1] - 1
        for start in range(bounds[document], end, 255):
            _count_block(tokens[start : min(start + 255, end)], counts[document])


@njit(cache=True, nogil=True)
def _count_block(block, row):  # type: ignore[no-untyped-def]
    """Counts of up to 255 bytes, in single bytes: so the compiler works on 32 at a time."""
    a = c = g = t = n = lower = uint8(0)
    for token in block:
        letter = uint8(token & uint8(0xDF))
        a = uint8(a + uint8(letter == uint8(65)))
        c = uint8(c + uint8(letter == uint8(67)))
        g = uint8(g + uint8(letter == uint8(71)))
        t = uint8(t + uint8(letter == uint8(84)))
        n = uint8(n + uint8(letter == uint8(78)))
        lower = uint8(lower + uint8(token >= uint8(97)))
    row[A] += a
    row[C] += c
    row[G] += g
    row[T] += t
    row[N] += n
    row[OTHER] += len(block) - a - c - g - t - n
    row[SOFT_MASKED] += lower


@njit(cache=True, nogil=True)
def _count_bytewise(tokens, bounds, documents, classes, counts):  # type: ignore[no-untyped-def]
    """Byte by byte, for documents with rare letters, foreign bytes or markup. A tag ends with its document at last."""
    for document in documents:
        row = counts[document]
        row[:] = 0
        in_tag = False
        for position in range(bounds[document], bounds[document + 1] - 1):
            token = tokens[position]
            column = MARKUP if in_tag else classes[token]
            if token == BAR and column == MARKUP:
                in_tag = not in_tag
            row[column] += 1
            row[SOFT_MASKED] += column <= OTHER and token >= 97


def _classes(*, markup: bool) -> npt.NDArray[np.uint8]:
    """Column of each byte."""
    table = np.full(256, FOREIGN, dtype=np.uint8)
    table[np.frombuffer(NUCLEOTIDES, dtype=np.uint8)] = OTHER
    for column, letter in enumerate(b"ACGTN"):
        table[[letter, letter + 32]] = column
    if markup:
        table[[BAR, *JOINS]] = MARKUP
    return table


_CLASSES = {markup: _classes(markup=markup) for markup in (False, True)}
