"""Probes: heads on frozen embeddings of labelled sequences, against a linear head on counts of k-mers.

| layout | data |
| --- | --- |
| folders | a folder per task, with train, test and perhaps dev: GUE, Nucleotide Transformer, Genomic Benchmarks |
| bend-bed | a BED file with a header and the columns split (train, valid, test) and label |
| lrb-elements | a CSV file with CHROM, START, STOP, split and label, positions from 1 |
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from evaluation.labelled.labels import Row, read_label
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import load_contigs
from evaluation.probing.datasets import Task, make_task, read_task
from evaluation.probing.probe import Measured, probe_task
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.repeated import repeated_notes
from evaluation.zero_shot.result import Found, Measure
from evaluation.zero_shot.rows import read_rows
from foundation.errors import InputError

LAYOUTS = {"folders": None, "bend-bed": None, "lrb-elements": None}
MCC, AUROC = "MCC", "AUROC"
STATISTICS = (MCC, AUROC)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How sequences become vectors, and which head is fitted.

    window
        Bases around the middle of a place in a genome; other sequences are read whole.
    layer, pooling
        Of the embeddings; -1 is the last layer.
    seeds
        Fits, of which the mean and the standard deviation are reported.
    """

    window: int = 1024
    layer: int = -1
    pooling: Literal["mean", "last", "max"] = "mean"
    head: Literal["linear", "mlp"] = "linear"
    seeds: int = 5


def run(context: Context, protocol: Protocol) -> Found:
    """Fit the head on every task, and report each and their mean."""
    window, notes = (protocol.window, []) if context.spec.layout == "folders" else context.fit(protocol.window)
    reading = plan_reading(context.model, batch_size=context.batch_size)
    found: list[Measured] = []
    counts: list[int] = []
    tests: list[list[bytes]] = []
    for task in _tasks(context, window):
        tests.append([ids.tobytes().upper() for ids, _ in task.test])
        found += probe_task(
            context.model, task, reading, heads=[protocol.head], layer=protocol.layer, pooling=protocol.pooling,
            seeds=protocol.seeds,
        )  # fmt: skip
        counts.append(len(task.test))
    measures = [one for name in context.spec.statistics for one in _measures(name, found, counts)]
    columns = ("task", "features", "head", "seeds", "mcc", "mcc_sd", "auroc", "auroc_sd", "validation_mcc")
    items = {name: [getattr(one, name) for one in found] for name in columns}
    notes += repeated_notes(tests, "sequence", "the test sets")
    return Found(measures=measures, items=items, notes=notes)


def _tasks(context: Context, window: int) -> Iterator[Task]:
    if context.spec.layout == "folders":
        for folder in dict.fromkeys(one if one.is_dir() else one.parent for one in context.data.own):
            yield read_task(folder)
        return
    path, genome = context.data.own[0], context.data.genome
    if genome is None:
        raise InputError("names no genome", where=path, fix="Add `genome` to the task.", kind="task-without-genome")
    yield read_places(path, context.spec.layout, genome, window)


def read_places(path: Path, layout: str, genome: Path, window: int) -> Task:
    """The places of a table as sequences of `window` bases around their middle, cut at the contig's ends.

    Errors: `InputError`, also for a contig or a position that the genome does not have.
    """
    places = list(_bend(path) if layout == "bend-bed" else _elements(path))
    contigs = load_contigs(genome, [one.contig for one in places])
    parts: dict[str, list[Row]] = {"train": [], "test": []}
    for one in places:
        if one.contig not in contigs:
            fix = "Give the genome of the table."
            raise InputError(f"{genome} has no contig {one.contig!r}", where=one.where, fix=fix, kind="no-contig")
        if not one.start < one.end <= len(contigs[one.contig]):
            problem = (
                f"[{one.start:,}, {one.end:,}) is not within {one.contig}, which has {len(contigs[one.contig]):,} bases"
            )
            raise InputError(problem, where=one.where, fix="Give the genome of the table.", kind="beyond-contig")
        start = max(0, (one.start + one.end) // 2 - window // 2)
        bases = contigs[one.contig][start : start + window].tobytes().decode("latin-1")
        row = Row(sequence=bases, label=one.label, where=one.where)
        parts["test" if one.split == "test" else "train"].append(row)
    return make_task(path.name.partition(".")[0], parts["train"], parts["test"], source=path)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The bases [start, end) of a contig."""

    contig: str
    start: int
    end: int
    split: str
    label: str
    where: str


def _bend(path: Path) -> Iterator[_Place]:
    for row in read_rows(path, ("chromosome", "start", "end", "split", "label")):
        yield _Place(
            contig=row.text("chromosome"), start=row.start("start"), end=row.position("end"), split=row.text("split"),
            label=read_label(row.text("label"), row.where), where=row.where,
        )  # fmt: skip


def _elements(path: Path) -> Iterator[_Place]:
    for row in read_rows(path, ("CHROM", "START", "STOP", "split", "label")):
        yield _Place(
            contig=row.text("CHROM"), start=row.position("START") - 1, end=row.position("STOP") - 1,
            split=row.text("split"), label=read_label(row.text("label"), row.where), where=row.where,
        )  # fmt: skip


def _measures(name: str, found: Sequence[Measured], counts: Sequence[int]) -> Iterator[Measure]:
    """The mean over tasks where there are several, then each task."""
    key = {MCC: "mcc", AUROC: "auroc"}[name]
    tasks = list(dict.fromkeys(one.task for one in found))
    each = [
        _of_task(name, key, [one for one in found if one.task == task], n)
        for task, n in zip(tasks, counts, strict=True)
    ]
    if len(each) > 1:
        baseline = statistics.fmean(one.chance or 0.0 for one in each)
        value = statistics.fmean(one.value for one in each)
        yield Measure(metric=name, value=value, count=sum(counts), clusters=len(each), chance=baseline,
                      chance_name="best k-mers")  # fmt: skip
        yield from each
    else:
        yield replace(each[0], part="")


def _of_task(name: str, key: str, rows: Sequence[Measured], count: int) -> Measure:
    own = next(one for one in rows if not one.features.endswith("mers"))
    best = max((one for one in rows if one is not own), key=lambda one: float(getattr(one, key)))
    value, spread = float(getattr(own, key)), float(getattr(own, f"{key}_sd"))
    return Measure(
        metric=name, part=own.task, value=value, error=spread, count=count, chance=float(getattr(best, key)),
        chance_name=best.features,
    )  # fmt: skip
