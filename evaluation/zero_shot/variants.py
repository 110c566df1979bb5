"""Variant effects: the change of log-likelihood of labelled variants, and how well it tells them apart.

A variant's score is minus the change (what the model finds worse is what may do harm), or its size, for effects that
go either way. Windows, strands and the sum over the window are those of `evaluation.variants`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.variants.alleles import MEANINGS, SCORED
from evaluation.variants.run import VariantResult, VariantRun, score_variants
from evaluation.variants.windows import plan_placement
from evaluation.zero_shot import variant_measures, variant_tables
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.repeated import repeated_notes
from evaluation.zero_shot.result import Found
from evaluation.zero_shot.variant_measures import Table, measure
from evaluation.zero_shot.variant_tables import Variant, check_both_labels, label_place, read_variants
from foundation.atomic import atomic_file
from foundation.errors import InputError

LAYOUTS = dict.fromkeys(variant_tables.LAYOUTS, 1)
STATISTICS = variant_measures.STATISTICS


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How variants are scored.

    window, downstream
        Bases; downstream of null is half the window, which centres the variant. A downstream of 1 compares the
        probabilities of the two bases after the window's left context, and nothing after them.
    grid
        Windows start at multiples of it; 1 gives each variant the publisher's own window.
    strand
        forward, or both: the mean of the two readings.
    score
        "decrease" of the log-likelihood, or "change" in either direction.
    cluster
        What is resampled for intervals: genes, chromosomes, match groups, or single variants.
    """

    window: int = 8192
    downstream: int | None = None
    grid: int = 1
    strand: Literal["forward", "reverse", "both"] = "both"
    score: Literal["decrease", "change"] = "decrease"
    cluster: Literal["gene", "chromosome", "group", "variant"] = "chromosome"


def run(context: Context, protocol: Protocol) -> Found:
    """Score the variants of the task's file and measure all of them, then each class."""
    path, layout, genome = context.data.own[0], context.spec.layout, context.data.genome
    assert genome is not None  # as `check_task` has seen to
    variants = read_variants(path, layout, genome)
    variants = sorted(variants, key=lambda one: (one.contig, one.position))  # neighbours share windows
    result, notes = _score(context, protocol, variants, genome)
    keys = [(one.contig, one.position, one.ref, one.alt) for one in variants]
    notes += repeated_notes([keys], "variant", path.name)
    deltas = [None if effect is None else effect.delta for effect in result.effects]
    scored = [(one, delta) for one, delta in zip(variants, deltas, strict=True) if delta is not None]
    unscored = len(variants) - len(scored)
    check_both_labels([one.label for one, _ in scored], label_place(path, layout), left_out=unscored)
    left_out = {MEANINGS.get(k, k): n for k, n in sorted(result.statuses.items()) if k != SCORED}
    table = Table.of(
        [one for one, _ in scored],
        np.array([delta for _, delta in scored]),
        score=protocol.score,
        cluster=protocol.cluster,
    )
    return Found(
        measures=list(measure(table, context.spec.statistics)), items=table.columns(), left_out=left_out, notes=notes
    )  # fmt: skip


def _score(
    context: Context, protocol: Protocol, variants: Sequence[Variant], genome: Path
) -> tuple[VariantResult, list[str]]:
    window, notes = context.fit(protocol.window)
    downstream = window // 2 if protocol.downstream is None else protocol.downstream
    grid = min(protocol.grid, downstream)
    placement = plan_placement(context.positions, window=window, downstream=downstream, grid=grid)
    vcf = context.folder / f"{context.spec.name}.vcf"
    _write_vcf(variants, vcf)
    run = VariantRun(
        model=context.directory, fasta=genome, vcf=vcf, placement=placement, strand=protocol.strand,
        dtype=context.dtype, batch_size=context.batch_size,
    )  # fmt: skip
    try:
        result = score_variants(context.model, run, journal=context.journal)
    except InputError as error:
        if error.kind != "vcf-foreign":
            raise
        fix = f"Give the genome that its positions are of as {genome}."
        raise InputError(error.problem, where=context.data.own[0], fix=fix, kind="genome-foreign") from error
    finally:
        vcf.unlink()
    return result, notes


def _write_vcf(variants: Sequence[Variant], path: Path) -> None:
    """The variants as a VCF file, in their order."""
    with atomic_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        file.writelines(f"{one.contig}\t{one.position}\t.\t{one.ref}\t{one.alt}\t.\t.\t.\n" for one in variants)
