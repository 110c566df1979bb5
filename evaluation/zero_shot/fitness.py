"""Deep mutational scanning: rank correlation of a mutant's log-likelihood with its measured fitness, per assay.

The files have ProteinGym's columns (mutant, mutated_sequence, DMS_score, DMS_score_bin) with DNA in mutated_sequence:
ProteinGym itself has proteins, for which the nucleotides are those of the assay's authors.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.causal_lm.model import CausalLM
from evaluation.causal_lm.scoring import score_records
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import Region, bases_of
from evaluation.likelihood.score import RecordScore
from evaluation.likelihood.scoring import Source, score_regions
from evaluation.statistics.bootstrap import Units, estimate
from evaluation.statistics.ranking import Correlated, Ranked
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.repeated import repeated_notes
from evaluation.zero_shot.result import Found, Measure
from evaluation.zero_shot.rows import read_rows
from foundation.errors import InputError
from tokenizer.sequence import encode

LAYOUTS = {"proteingym-dna": None}
SPEARMAN, AUROC = "Spearman", "AUROC"
STATISTICS = (SPEARMAN, AUROC)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """`window`: bases at once; a longer sequence is read in several. `strand`: both is the mean."""

    window: int = 8192
    strand: Literal["forward", "both"] = "both"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A row: the name of the mutant, its sequence, its fitness, and whether that is above the assay's cutoff."""

    name: str
    sequence: str
    fitness: float
    fit: bool


def run(context: Context, protocol: Protocol) -> Found:
    """Score every mutant of every assay."""
    folder = context.data.own[0]
    assays = sorted(folder.glob("*.csv"))
    if not assays:
        raise InputError("holds no assay", where=folder, fix="Put a .csv file per assay there.", kind="no-assay")
    window, notes = context.fit(protocol.window)
    measures: list[Measure] = []
    sequences: list[list[str]] = []
    items: dict[str, list[object]] = {name: [] for name in ("assay", "mutant", "fitness", "fit", "score")}
    for assay in assays:
        mutants = list(read_assay(assay))
        sequences.append([one.sequence for one in mutants])
        scores = _scores(context, protocol, assay, mutants, window)
        measures += _measures(context.spec.statistics, assay.stem, mutants, scores)
        columns = ([assay.stem] * len(mutants), [one.name for one in mutants], [one.fitness for one in mutants],
                   [one.fit for one in mutants], scores.tolist())  # fmt: skip
        for name, values in zip(items, columns, strict=True):
            items[name] += values
    notes += repeated_notes(sequences, "mutant", "the assays")
    return Found(measures=[*_means(context, measures), *measures], items=items, notes=notes)


def read_assay(path: Path) -> Iterator[Mutant]:
    """The mutants of one assay. Errors: `InputError`."""
    for row in read_rows(path, ("mutated_sequence", "DMS_score", "DMS_score_bin")):
        fitness = row.number("DMS_score")
        if fitness is None:
            raise row.odd("DMS_score", "is missing")
        yield Mutant(
            name=row.text("mutant"), sequence=row.bases("mutated_sequence"), fitness=fitness,
            fit=row.flag("DMS_score_bin"),
        )  # fmt: skip


def _scores(
    context: Context, protocol: Protocol, assay: Path, mutants: list[Mutant], window: int
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Log-likelihood per base."""
    regions = [Region(name=str(number), ids=encode(one.sequence)) for number, one in enumerate(mutants)]
    if isinstance(context.model, CausalLM):
        records: Sequence[RecordScore] = score_records(context.model, regions, assay.name, protocol.strand)
    else:
        reading = plan_reading(context.model, context_length=window, batch_size=context.batch_size)
        total = sum(map(bases_of, regions))
        origin = Source(model=str(context.directory), source=assay.name, bases=total)
        records = score_regions(context.model, regions, reading, origin, strand=protocol.strand).records
    return np.array([-one.nats / max(one.bases_scored, 1) for one in records])


def _measures(
    names: tuple[str, ...], assay: str, mutants: list[Mutant], scores: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> Iterator[Measure]:
    fitness, fit = np.array([one.fitness for one in mutants]), np.array([one.fit for one in mutants], bool)
    of = {
        SPEARMAN: Correlated(measured=fitness, scores=scores).spearman,
        AUROC: Ranked(labels=fit, scores=scores).auroc,
    }
    for name in names:
        found = estimate(of[name], Units(count=len(mutants), labels=fit if name == AUROC else None))
        if np.isfinite(found.value):
            yield Measure(
                metric=name, part=assay, value=found.value, low=found.low, high=found.high, error=found.error,
                count=len(mutants), positives=int(fit.sum()), chance=0.5 if name == AUROC else 0.0,
            )  # fmt: skip


def _means(context: Context, measures: list[Measure]) -> Iterator[Measure]:
    """Over assays, all alike, with the standard error of their mean. Errors: `InputError` where none has any."""
    for name in context.spec.statistics:
        values = [one.value for one in measures if one.metric == name]
        if not values:
            column = {SPEARMAN: "DMS_score", AUROC: "DMS_score_bin"}[name]
            problem = f"no assay has a {name}: all values of the column {column}, or all scores, are the same"
            where, fix = context.data.own[0], "Give the files as they were published."
            raise InputError(problem, where=where, fix=fix, kind="one-label")
        error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
        first = next(one for one in measures if one.metric == name)
        count = sum(one.count for one in measures if one.metric == name)
        yield replace(first, part="", value=statistics.fmean(values), low=None, high=None, error=error, count=count,
                      positives=None, clusters=len(values))  # fmt: skip
