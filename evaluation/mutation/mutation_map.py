"""The effects of all mutants of a region: a mutation map."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.regions import Region, load_contigs, read_regions
from evaluation.likelihood.scoring import strands
from evaluation.mutation.mutants import BASES, SNV, Kinds, Mutant, list_mutants
from evaluation.variants.alleles import Allele, distinct
from evaluation.variants.effects import Effect, variant_effects
from evaluation.variants.windows import WINDOW, Placement, plan_placement
from foundation.errors import InputError
from foundation.progress import progress_bar
from tokenizer.sequence import Ids, to_upper

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DOWNSTREAM = 512  # bases, unless given, or a quarter of the window

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MutationMap:
    """A region, its mutants by position, and the effect of each; None where nothing could be compared."""

    region: Region
    contig_length: int
    mutants: tuple[Mutant, ...]
    effects: tuple[Effect | None, ...]

    @property
    def reference(self) -> str:
        """The region's bases, upper case."""
        return to_upper(self.region.ids).tobytes().decode("latin-1")

    def grid(self) -> Values:
        """Delta of each SNV, [4, bases], rows A, C, G and T; NaN for the reference's base and where there is none."""
        values = np.full((len(BASES), len(self.region.ids)), np.nan)
        for mutant, effect in zip(self.mutants, self.effects, strict=True):
            if mutant.kind == SNV and effect is not None:
                values[BASES.index(mutant.alt), mutant.start - self.region.start] = effect.delta
        return values

    def importance(self) -> Values:
        """How much each base of the reference is preferred: minus the mean delta of its SNVs, [bases], NaN for none."""
        values = self.grid()
        known = np.isfinite(values)
        counts = known.sum(axis=0)
        sums = np.where(known, values, 0.0).sum(axis=0)
        return np.where(counts, -sums / np.maximum(counts, 1), np.nan)


@dataclass(frozen=True, kw_only=True)
class PlannedMutants:
    """The mutants of a region; equal ones, such as deletions within a run of one base, are one of the `alleles`.

    `which`: for each mutant the place of its own.
    """

    region: Region
    contig_length: int
    mutants: Sequence[Mutant]
    alleles: Sequence[Allele]
    which: Sequence[int]

    def map(self, effects: Iterator[Effect | None]) -> MutationMap:
        """The map, of the next of `effects`, which are in the order of the alleles."""
        found = list(islice(effects, len(self.alleles)))
        return MutationMap(
            region=self.region, contig_length=self.contig_length, mutants=tuple(self.mutants),
            effects=tuple(found[place] for place in self.which),
        )  # fmt: skip


def plan_mutants(region: Region, contigs: Mapping[str, Ids], kinds: Kinds) -> PlannedMutants:
    """The mutants of `region`. Errors: `InputError` for a region without a base to change."""
    contig = contigs[region.contig]
    mutants = list_mutants(region, contig, kinds)
    if not mutants:
        where, fix = f"region {region.name!r}", "Give a region with A, C, G or T."
        raise InputError("has no base to change", where=where, fix=fix, kind="no-base-to-mutate")
    alleles, which = distinct([mutant.allele for mutant in mutants])
    return PlannedMutants(region=region, contig_length=len(contig), mutants=mutants, alleles=alleles, which=which)


def plan_mutation_windows(
    longest: int, *, window: int | None = None, downstream: int | None = None, grid: int | None = None
) -> Placement:
    """As `plan_placement`, with fewer bases downstream: 512 or a quarter of the window.

    All that is upstream is read once for many mutants, and what is downstream once for each.
    """
    length = min(WINDOW, longest) if window is None else window
    downstream = max(1, min(DOWNSTREAM, length // 4)) if downstream is None else downstream
    return plan_placement(longest, window=window, downstream=downstream, grid=grid)


def read_sites(fasta: Path, bed: Path | None) -> tuple[list[Region], dict[str, Ids]]:
    """The regions of `bed`, or the records of `fasta`, and the contigs that they are of. Errors: `InputError`."""
    regions = list(read_regions(fasta, bed=bed))
    if bed is None:
        return regions, {region.contig: region.ids for region in regions}
    return regions, load_contigs(fasta, {region.contig for region in regions})


def mutate_regions(
    model: "PreTrainedModel",
    regions: Iterable[Region],
    contigs: Mapping[str, Ids],
    placement: Placement,
    kinds: Kinds,
    *,
    strand: str = "both",
    batch_size: int | None = None,
) -> Iterator[MutationMap]:
    """The map of each region, in order. Equal mutants are scored once.

    Errors: `InputError` for a region without a base to change.
    """
    readings, regions = strands(strand), list(regions)
    kinds.check_fit(regions, contigs)
    total = sum(len(region.ids) for region in regions)
    with progress_bar("Mutating", total=total, unit="b") as advance:
        for region in regions:
            planned = plan_mutants(region, contigs, kinds)
            found: list[Effect | None] = []
            for some in variant_effects(
                model, planned.alleles, contigs, placement, readings=readings, batch_size=batch_size
            ):  # fmt: skip
                found += some
                advance(len(some) / len(planned.alleles) * len(region.ids))
            yield planned.map(iter(found))
