"""Tasks for the live weights: rows to read, and metrics from the sums over each row's bases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.forward import ACGT
from evaluation.likelihood.regions import load_contigs
from evaluation.likelihood.scoring import STRANDS
from evaluation.suite.config import RecallTask, Suite, Task, VariantTask, read_suite, sources, tasks
from evaluation.suite.recall import CUE, NEEDLE, fitting
from evaluation.variants.alleles import SCORED, Allele, list_alleles
from evaluation.variants.effects import Effect, StrandEffect
from evaluation.variants.labels import Labelling, check_labels
from evaluation.variants.measures import ALL, discriminate
from evaluation.variants.vcf import read_vcf
from evaluation.variants.windows import Alternative, Strand, place, plan_placement
from foundation.errors import InputError
from tokenizer.sequence import Ids, is_unambiguous
from training.live.rows import Row

Sums = npt.NDArray[np.float64]
"""Of each row: ln P of the bases that count, and how many of them were the likeliest; [rows, 2]."""


@dataclass(frozen=True, kw_only=True)
class LiveTask:
    """`rows` to read, and what follows from their sums: values by name. `acgt_only`: renormalised over A, C, G, T."""

    name: str
    rows: tuple[Row, ...]
    measure: Callable[[Sums], dict[str, float]]
    acgt_only: bool = False


def live_suite(path: str | None) -> Suite:
    """The suite in the YAML file `path`; without one, recall at its usual distances.

    Errors: `InputError` for a file that is wrong, and for tasks that need an export of the model.
    """
    if path is None:
        return Suite(recall=[RecallTask(samples=8)])
    suite = read_suite(Path(path))
    for task in tasks(suite):
        if not isinstance(task, (RecallTask, VariantTask)):
            problem = f"task {task.name!r} is neither recall nor variants"
            fix = "Validation measures likelihood; for the rest, evaluate checkpoints (evaluate --watch)."
            raise InputError(problem, where=path, fix=fix, kind="not-a-live-task")
        for needed in sources(task):
            if not needed.exists():
                fix = "Check the path."
                raise InputError(
                    f"{needed} does not exist", where=f"{path}, task {task.name!r}", fix=fix, kind="missing-source"
                )
    return suite


def live_tasks(suite: Suite, longest: int, *, where: object) -> list[LiveTask]:
    """The tasks for a model of `longest` positions. Errors: `InputError` for files and settings that do not fit."""
    return [_live_task(task, longest, where) for task in tasks(suite)]


def _live_task(task: Task, longest: int, where: object) -> LiveTask:
    if isinstance(task, RecallTask):
        return _recall(task, longest, where)
    assert isinstance(task, VariantTask), task
    return _variants(task, longest)


def _recall(task: RecallTask, longest: int, where: object) -> LiveTask:
    """The sequences of `evaluation.suite.recall`, and its measures."""
    distances = fitting(list(task.distances), longest, where=where)
    rows = []
    for distance in distances:
        random = np.random.default_rng([task.seed, distance])
        filled = random.choice(ACGT, size=(task.samples, distance)).astype(np.uint8)
        both = np.concatenate([filled, filled[:, :NEEDLE]], axis=1)
        rows += [Row(ids=one, first=distance + CUE) for one in both]

    def measure(sums: Sums) -> dict[str, float]:
        found, bases = {}, (NEEDLE - CUE) * task.samples
        for distance, part in zip(distances, np.split(sums, len(distances)), strict=True):
            nats, right = part.sum(axis=0)
            found[f"{task.name}/bits_per_base_{distance}"] = float(-nats / bases / np.log(2))
            found[f"{task.name}/accuracy_{distance}"] = float(right / bases)
        return found

    return LiveTask(name=task.name, rows=tuple(rows), measure=measure, acgt_only=True)


def _variants(task: VariantTask, longest: int) -> LiveTask:
    """Each allele's two sequences from the first base that differs on, on every strand of the task."""
    vcf = Path(task.vcf)
    table = read_vcf(vcf)
    contigs = load_contigs(Path(task.genome), [record.contig for record in table.records])
    alleles = list_alleles(table, contigs, vcf)
    labelling = Labelling(key=task.label, positive=tuple(task.positive), negative=tuple(task.negative), by=task.by)
    check_labels(alleles, labelling, vcf)
    window = min(task.window, longest)
    placement = plan_placement(longest, window=window, downstream=task.downstream, grid=task.grid)
    rows, pairs = list[Row](), list[tuple[int, bool, int]]()
    for reverse in STRANDS[task.strand]:
        strands = {name: Strand(contig=ids, reverse=reverse) for name, ids in contigs.items()}
        for number, allele in enumerate(alleles):
            if allele.status == SCORED:
                one = place(allele, number, strands[allele.record.contig], placement)
                if found := _pair(one, strands[allele.record.contig]):
                    pairs.append((number, reverse, found[2]))
                    rows += found[:2]

    def measure(sums: Sums) -> dict[str, float]:
        effects = _effects(alleles, pairs, sums[:, 0])
        return _discrimination(task, alleles, effects, labelling, vcf)

    return LiveTask(name=task.name, rows=tuple(rows), measure=measure)


def _pair(one: Alternative, strand: Strand) -> tuple[Row, Row, int] | None:
    """The reference's row and the alternative's, and how many bases are compared; None where nothing is."""
    reference = strand.slice(one.key.start, one.key.end)[: len(one.ids)]
    first = max(1, one.first)
    if first >= len(one.ids) or not (_plain(reference, first) and _plain(one.ids, first)):
        return None
    return Row(ids=reference, first=first), Row(ids=one.ids, first=first), len(one.ids) - first


def _plain(ids: Ids, first: int) -> bool:
    """Whether all bases that count are A, C, G or T: windows with others are left out, as their sums differ by them."""
    return bool(is_unambiguous(ids[first:]).all())


def _effects(alleles: Sequence[Allele], pairs: Sequence[tuple[int, bool, int]], nats: Sums) -> list[Effect | None]:
    found: dict[tuple[int, bool], StrandEffect] = {}
    for (number, reverse, targets), (reference, alternative) in zip(pairs, nats.reshape(-1, 2), strict=True):
        found[number, reverse] = StrandEffect(delta=float(alternative - reference), targets=targets)
    effects = [(found.get((number, False)), found.get((number, True))) for number in range(len(alleles))]
    return [Effect(forward=one, reverse=other) if one or other else None for one, other in effects]


def _discrimination(
    task: VariantTask, alleles: Sequence[Allele], effects: Sequence[Effect | None], labelling: Labelling, vcf: Path
) -> dict[str, float]:
    values = {}
    for one in discriminate(alleles, effects, labelling, vcf):
        part = "" if one.name == ALL else f"_{one.name}"
        for name, interval in (("auroc", one.auroc), ("auprc", one.auprc)):
            if interval is not None:
                values[f"{task.name}/{name}{part}"] = interval.value
    return values
