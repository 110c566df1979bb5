"""The variants of a VCF file scored, from where an interrupted run was; and measured where they have labels."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.causal_lm.model import CausalLM, positions_of
from evaluation.digest import named
from evaluation.finished import Work
from evaluation.likelihood.regions import load_contigs
from evaluation.likelihood.scoring import STRANDS
from evaluation.sharding.job import Payload, Results, at_once, cut
from evaluation.sharding.part import open_part
from evaluation.sharding.run import resumed
from evaluation.variants.alleles import (
    MEANINGS,
    NO_CONTEXT,
    SCORED,
    Allele,
    count_statuses,
    describe_misplaced,
    distinct,
    list_alleles,
)
from evaluation.variants.calibration import Calibration, calibrate, random_indels
from evaluation.variants.effect_arrays import from_arrays, to_arrays
from evaluation.variants.effects import Effect, variant_effects
from evaluation.variants.haplotypes import Haplotype, haplotypes, tokens_of_unit
from evaluation.variants.labels import Labelling, LabelValue, check_labels
from evaluation.variants.measures import Discrimination, discriminate
from evaluation.variants.vcf import Vcf, read_vcf
from evaluation.variants.whole_windows import whole_window_effects
from evaluation.variants.windows import Placement
from foundation.errors import InputError
from foundation.progress import progress_bar
from foundation.spelling import option
from tokenizer.sequence import Ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class VariantRun:
    """What is scored, and how. `distances`: give the `Shift` of each allele too; `null`: compare each indel with
    so many random ones of its length. `batch_size` changes no result.
    """

    model: Path
    fasta: Path
    vcf: Path
    placement: Placement
    strand: str
    dtype: str
    batch_size: int | None = None
    distances: bool = False
    null: int = 0
    adapter: Path | None = None

    @property
    def settings(self) -> dict[str, object]:
        """What decides the result, for its files."""
        return {
            "model": named(self.model, self.adapter),
            "genome": self.fasta.name,
            "vcf": self.vcf.name,
            **asdict(self.placement),
            "strand": self.strand,
            "dtype": self.dtype,
            **({"distances": True} if self.distances else {}),
            **({"null": self.null} if self.null else {}),
        }


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """Alleles with their effects, in the file's order; several may be one of the `haplotypes`, which are scored.

    `repeated`: alleles that are the haplotype of one before them; each counts in the measures.

    `labels`: the values of the label, with what they are taken for.
    `calibrations`: where the run has a null, each indel among the random ones of its length.
    `misplaced`: a line for each of the first alleles whose REF is not the genome's, or whose contig is shorter.
    """

    vcf: Vcf
    alleles: tuple[Allele, ...]
    effects: tuple[Effect | None, ...]
    misplaced: tuple[str, ...]
    labels: tuple[LabelValue, ...]
    measures: tuple[Discrimination, ...]
    calibrations: tuple[Calibration | None, ...]
    haplotypes: int
    repeated: int

    @property
    def statuses(self) -> Counter[str]:
        """How many alleles have each status."""
        return count_statuses(list(self.alleles))


def score_variants(
    model: "PreTrainedModel | CausalLM",
    run: VariantRun,
    *,
    journal: Path | None = None,
    labelling: Labelling | None = None,
) -> VariantResult:
    """Score the VCF file of `run`; with a `journal`, resume a run of the same kind that was interrupted.

    The journal stays until the result is written.
    Errors: `InputError` for files that are wrong, a window beyond the model's positions, and for nothing to score.
    """
    check_window(run, positions_of(model))
    scoring = VariantScoring(run, labelling)
    compute = at_once(scoring, partial(effects_of_unit, model, scoring))
    with (
        progress_bar(f"Scoring {run.vcf.name}", total=scoring.total, unit=" haplotypes") as advance,
        open_part(journal, header_of(run)) if journal else nullcontext() as part,
    ):
        return scoring.result(resumed(scoring, scoring.units(), compute, part, advance))


def check_window(run: VariantRun, longest: int) -> None:
    """Errors: `InputError` for a window beyond the model's positions."""
    if run.placement.length > longest:
        problem = f"a window of {run.placement.length:,} bases is longer than the model's {longest:,} positions"
        fix = f"Give {option('window', longest)} or less."
        raise InputError(problem, where=run.model, fix=fix, kind="window-beyond-positions")


class VariantScoring:
    """The variants of a run on their way to effects: haplotypes in units, and brought together again.

    Memory: the variants, and the contigs that they are on.
    Errors: `InputError` for files that are wrong, and for nothing to score.
    """

    def __init__(self, run: VariantRun, labelling: Labelling | None = None) -> None:
        self.run, self._labelling = run, labelling
        self._vcf = read_vcf(run.vcf)
        self.contigs = load_contigs(run.fasta, [record.contig for record in self._vcf.records])
        self._alleles = list_alleles(self._vcf, self.contigs, run.vcf)
        _refuse_foreign(self._alleles, self.contigs, run)
        self._labels = check_labels(self._alleles, labelling, run.vcf) if labelling else ()
        self._random = random_indels(self._alleles, self.contigs, run.null)
        known = [one for one in self._alleles if one.status == SCORED]
        self._distinct, self._which = distinct([*known, *self._random])
        self._repeated = len(known) - len(set(self._which[: len(known)]))

    @property
    def total(self) -> int:
        """Haplotypes."""
        return len(self._distinct)

    def units(self) -> Iterator[list[Haplotype]]:
        """Haplotypes, so many that those of one window are mostly of one unit."""
        run = self.run
        return cut(haplotypes(self._distinct, run.placement, run.strand), tokens_of_unit(run.placement), self.work)

    def work(self, haplotype: Haplotype) -> int:
        """Tokens that the model reads."""
        return haplotype.tokens

    def amount(self, haplotype: Haplotype) -> float:
        """Haplotypes."""
        return 1

    def result(self, results: Results[Haplotype]) -> VariantResult:
        """The result, from the units of all."""
        found = [effect for _, payload in results for effect in from_arrays(payload)]
        which = iter(self._which)
        effects = [found[next(which)] if allele.status == SCORED else None for allele in self._alleles]
        of_random = [found[place] for place in which]
        alleles = [
            replace(allele, status=NO_CONTEXT) if allele.status == SCORED and effect is None else allele
            for allele, effect in zip(self._alleles, effects, strict=True)
        ]
        labelling, vcf = self._labelling, self.run.vcf
        return VariantResult(
            vcf=self._vcf,
            alleles=tuple(alleles),
            effects=tuple(effects),
            misplaced=describe_misplaced(alleles, self.contigs),
            labels=self._labels,
            measures=discriminate(alleles, effects, labelling, vcf) if labelling else (),
            calibrations=tuple(calibrate(alleles, effects, self._random, of_random)) if self.run.null else (),
            haplotypes=self.total,
            repeated=self._repeated,
        )


def effects_of_unit(model: "PreTrainedModel | CausalLM", scoring: VariantScoring, unit: list[Haplotype]) -> Payload:
    """The effects of each haplotype, as arrays."""
    run, alleles = scoring.run, [haplotype.allele for haplotype in unit]
    effects: list[Effect | None]
    if isinstance(model, CausalLM):
        readings = STRANDS[run.strand]
        effects = whole_window_effects(model, alleles, scoring.contigs, run.placement, readings=readings)
    else:
        some = variant_effects(
            model, alleles, scoring.contigs, run.placement, readings=STRANDS[run.strand], batch_size=run.batch_size,
            distances=run.distances,
        )  # fmt: skip
        effects = [effect for found in some for effect in found]
    return to_arrays(effects)


def _refuse_foreign(alleles: list[Allele], contigs: dict[str, Ids], run: VariantRun) -> None:
    statuses = count_statuses(alleles)
    if statuses[SCORED]:
        return
    found = "; ".join(f"{count:,}: {MEANINGS[status]}" for status, count in statuses.items())
    first = "".join(f"; the first is in {line}" for line in describe_misplaced(alleles, contigs)[:1])
    problem = f"none of its {len(alleles):,} alleles can be scored ({found}{first})"
    fix = "Give the genome that the VCF file was called on, with the same names of contigs."
    raise InputError(problem, where=run.vcf, fix=fix, kind="vcf-foreign")


def header_of(run: VariantRun) -> dict[str, Any]:
    """What the journal of a run says of it."""
    work = Work(
        command="variants",
        model=run.model,
        sources={"genome": run.fasta, "vcf": run.vcf},
        adapter=run.adapter,
        settings={
            **asdict(run.placement),
            "strand": run.strand,
            "dtype": run.dtype,
            "distances": run.distances,
            "null": run.null,
        },
        files=[],
    )
    return {"made_from": work.made_from, "batch_size": run.batch_size, "shard": [1, 1]}
