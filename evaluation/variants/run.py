"""The variants of a VCF file scored, from where an interrupted run was; and measured where they have labels."""

import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.digest import model_digest, named, read_ahead, source_digest
from evaluation.likelihood.regions import load_contigs
from evaluation.likelihood.scoring import STRANDS
from evaluation.variants.alleles import (
    MEANINGS,
    MISMATCH,
    NO_CONTEXT,
    SCORED,
    Allele,
    count_statuses,
    describe_mismatch,
    distinct,
    list_alleles,
)
from evaluation.variants.calibration import Calibration, calibrate, random_indels
from evaluation.variants.effects import Effect, variant_effects
from evaluation.variants.labels import Labelling, LabelValue, check_labels
from evaluation.variants.measures import Discrimination, discriminate
from evaluation.variants.table import Journal
from evaluation.variants.vcf import Vcf, read_vcf
from evaluation.variants.windows import Placement
from foundation.errors import InputError
from foundation.progress import progress_bar
from tokenizer.sequence import Ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORMAT = "genomic-llama variants 4"
SHOWN_MISMATCHES = 3


@dataclass(frozen=True, kw_only=True)
class VariantRun:
    """What is scored, and how. `distances`: give the `Shift` of each allele too; `null`: compare each indel
    with so many random ones of its length. `batch_size` changes no result.
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
    """Alleles with their effects, in the file's order; `scored_now` haplotypes in `seconds`, others by an earlier run.

    `labels`: the values of the label, with what they are taken for.
    `calibrations`: where the run has a null, each indel among the random ones of its length.
    `mismatches`: a line for each of the first alleles whose REF is not the genome's.
    """

    vcf: Vcf
    alleles: tuple[Allele, ...]
    effects: tuple[Effect | None, ...]
    mismatches: tuple[str, ...]
    labels: tuple[LabelValue, ...]
    measures: tuple[Discrimination, ...]
    calibrations: tuple[Calibration | None, ...]
    scored_now: int
    seconds: float

    @property
    def statuses(self) -> Counter[str]:
        """How many alleles have each status."""
        return count_statuses(list(self.alleles))


def score_variants(
    model: "PreTrainedModel", run: VariantRun, *, journal: Path | None = None, labelling: Labelling | None = None
) -> VariantResult:
    """Score the VCF file of `run`; with a `journal`, resume a run of the same kind that was interrupted.

    The journal stays until the result is written.
    Errors: `InputError` for files that are wrong, a window beyond the model's positions, and for nothing to score.
    """
    longest = int(model.config.max_position_embeddings)
    if run.placement.length > longest:
        problem = f"a window of {run.placement.length:,} bases is longer than the model's {longest:,} positions"
        raise InputError(
            problem, where=run.model, fix=f"Give --window {longest} or less.", kind="window-beyond-positions"
        )
    vcf = read_vcf(run.vcf)
    contigs = load_contigs(run.fasta, [record.contig for record in vcf.records])
    alleles = list_alleles(vcf, contigs, run.vcf)
    _refuse_foreign(alleles, run)
    labels = check_labels(alleles, labelling, run.vcf) if labelling else ()
    null = random_indels(alleles, contigs, run.null)
    effects, scored, seconds = _effects(model, run, [*alleles, *null], contigs, journal)
    effects, of_null = effects[: len(alleles)], effects[len(alleles) :]
    alleles = [
        replace(allele, status=NO_CONTEXT) if allele.status == SCORED and effect is None else allele
        for allele, effect in zip(alleles, effects, strict=True)
    ]
    measures = discriminate(alleles, effects, labelling, run.vcf) if labelling else ()
    return VariantResult(
        vcf=vcf, alleles=tuple(alleles), effects=tuple(effects), mismatches=_mismatches(alleles, contigs),
        labels=labels, measures=measures,
        calibrations=tuple(calibrate(alleles, effects, null, of_null)) if run.null else (),
        scored_now=scored, seconds=seconds,
    )  # fmt: skip


def _effects(
    model: "PreTrainedModel",
    run: VariantRun,
    alleles: list[Allele],
    contigs: dict[str, Ids],
    journal: Path | None,
) -> tuple[list[Effect | None], int, float]:
    """The effect of each allele, from one of each haplotype; how many were scored now, and in what time."""
    known = [allele for allele in alleles if allele.status == SCORED]
    haplotypes, which = distinct(known)
    book = Journal(journal, _fingerprint(run)) if journal else None
    effects = book.read() if book else []
    rest, started = haplotypes[len(effects) :], time.perf_counter()
    with (
        progress_bar(f"Scoring {run.vcf.name}", total=len(rest), unit=" haplotypes") as advance,
        book.append(effects) if book else nullcontext(),
    ):
        readings, size = STRANDS[run.strand], run.batch_size
        for some in variant_effects(
            model, rest, contigs, run.placement, readings=readings, batch_size=size, distances=run.distances,
            advance=advance,
        ):  # fmt: skip
            if book:
                book.add(some)
            effects += some
    found = iter(which)
    return (
        [effects[next(found)] if allele.status == SCORED else None for allele in alleles],
        len(rest),
        time.perf_counter() - started,
    )


def _mismatches(alleles: list[Allele], contigs: dict[str, Ids]) -> tuple[str, ...]:
    wrong = (allele for allele in alleles if allele.status == MISMATCH)
    return tuple(describe_mismatch(one, contigs[one.record.contig]) for one in islice(wrong, SHOWN_MISMATCHES))


def _refuse_foreign(alleles: list[Allele], run: VariantRun) -> None:
    statuses = count_statuses(alleles)
    if statuses[SCORED]:
        return
    found = ", ".join(f"{count:,} {MEANINGS[status]}" for status, count in statuses.items())
    fix = "Give the genome that the VCF file was called on, with the same names of contigs."
    raise InputError(
        f"none of its {len(alleles):,} alleles can be scored: {found}", where=run.vcf, fix=fix, kind="vcf-foreign"
    )


def _fingerprint(run: VariantRun) -> dict[str, object]:
    """What two runs must share for one to continue with the other's results: contents, wherever they lie."""
    read_ahead([run.model], [run.fasta, run.vcf])
    return {
        "format": FORMAT,
        "model": model_digest(run.model, run.adapter),
        "genome": source_digest(run.fasta),
        "vcf": source_digest(run.vcf),
        **asdict(run.placement),
        "strand": run.strand,
        "dtype": run.dtype,
        **({"distances": True} if run.distances else {}),
        **({"null": run.null} if run.null else {}),
    }
