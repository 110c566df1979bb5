"""The position of a variant's window, and its two sequences: the reference's and the alternative's, of equal length.

Everything is in the coordinates of the strand that is read; on the reverse strand they count from the contig's end.

::

    window     [start . . . . . . . . v . . . . . . end)
                upstream context      |  `downstream` bases, the variant's first among them
"""

from dataclasses import dataclass

import numpy as np

from evaluation.variants.alleles import Allele
from foundation.errors import InputError
from foundation.spelling import option
from tokenizer.sequence import Ids, reverse_complement, to_upper

WINDOW, DOWNSTREAM = 8192, 1024  # bases, unless given


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Windows of `length` bases, `downstream` of them from the variant on; cut at the contig's ends, not moved.

    Windows start at multiples of `grid`, so that variants near one another share a reference window; then up to
    grid - 1 bases less are downstream and as many more upstream. With a grid of 1 each variant has its own window:
    length 8192, downstream 4096, grid 1 is the one of Evo 2's BRCA1 notebook, [p - 4096, p + 4096).
    """

    length: int
    downstream: int
    grid: int

    def __post_init__(self) -> None:
        if not self.length >= 2:
            raise InputError(
                f"a window of {self.length} bases has nothing to predict",
                fix=f"Give {option('window', 2)} or more.",
                kind="window",
            )
        if not 1 <= self.downstream <= self.length:
            problem = f"{self.downstream} downstream bases are outside [1, {self.length}], the window"
            raise InputError(problem, fix=f"Give {option('downstream', self.length)} or less.", kind="downstream")
        if not 1 <= self.grid <= self.downstream:
            problem = f"a grid of {self.grid} is outside [1, {self.downstream}], the bases downstream"
            raise InputError(problem, fix=f"Give {option('grid', self.downstream)} or less.", kind="grid")


def plan_placement(
    longest: int, *, window: int | None = None, downstream: int | None = None, grid: int | None = None
) -> Placement:
    """Defaults: a window of 8,192 bases or the model's `longest`, of which 1,024 or half are downstream.

    An effect is felt over the hundreds of bases after a variant; the rest of the window is of more use before it, and
    the other strand reads the other side. The grid is an eighth of what is downstream.
    """
    length = min(WINDOW, longest) if window is None else window
    if length > longest:
        problem = f"a window of {length:,} bases is longer than the model's {longest:,} positions"
        raise InputError(problem, fix=f"Give {option('window', longest)} or less.", kind="window")
    downstream = max(1, min(DOWNSTREAM, length // 2)) if downstream is None else downstream
    return Placement(length=length, downstream=downstream, grid=max(1, downstream // 8) if grid is None else grid)


@dataclass(frozen=True, kw_only=True)
class Strand:
    """A contig as one strand reads it, without copying the whole of it."""

    contig: Ids
    reverse: bool

    def __len__(self) -> int:
        return len(self.contig)

    def slice(self, start: int, end: int) -> Ids:
        """The bases [start, end) of the strand, upper case, cut at its ends."""
        start, end = max(0, start), min(end, len(self))
        if not self.reverse:
            return to_upper(self.contig[start:end])
        return to_upper(reverse_complement(self.contig[len(self) - end : len(self) - start]))


@dataclass(frozen=True, kw_only=True)
class WindowKey:
    """What makes two reference windows the same."""

    contig: str
    reverse: bool
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """A window with the alternative allele. Up to `first` it is the reference's; `ids` may be shorter at an end.

    `ref_end`, `alt_end`: where the bases after REF begin in the reference, and those after ALT in `ids`.
    `is_reference`: ALT is REF.
    """

    allele: int
    key: WindowKey
    ids: Ids
    first: int
    ref_end: int
    alt_end: int
    is_reference: bool


def place(allele: Allele, number: int, strand: Strand, placement: Placement) -> Alternative:
    """The window of `allele` on `strand`.

    The alternative is made as long as the reference: a deletion reads on beyond the window's end, an insertion pushes
    bases out of it. At the contig's end, where there is nothing to read on into, both are compared up to the shorter.
    """
    position, ref, alt = _on_strand(allele, strand)
    start = (position + placement.downstream - placement.length) // placement.grid * placement.grid
    start, end = max(0, start), min(len(strand), start + placement.length)
    before = strand.slice(start, position)
    ids = np.concatenate([before, alt, strand.slice(position + len(ref), end + len(ref))])[: end - start]
    reference = strand.slice(start, end)[: len(ids)]
    differing = np.flatnonzero(ids != reference)
    return Alternative(
        allele=number,
        key=WindowKey(contig=allele.record.contig, reverse=strand.reverse, start=start, end=end),
        ids=ids,
        first=int(differing[0]) if len(differing) else len(ids),
        ref_end=position + len(ref) - start,
        alt_end=position + len(alt) - start,
        is_reference=np.array_equal(ref, alt),
    )


def _on_strand(allele: Allele, strand: Strand) -> tuple[int, Ids, Ids]:
    position, ref, alt = allele.position, allele.ref, allele.alt
    if not strand.reverse:
        return position, ref, alt
    return len(strand) - position - len(ref), reverse_complement(ref), reverse_complement(alt)
