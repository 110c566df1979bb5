"""The tasks of a suite: each run on one model, its results as rows of metrics."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.baselines.baseline import UNIFORM_BITS
from evaluation.labelled.examples import Cut
from evaluation.labelled.signal import signal_of
from evaluation.likelihood.likelihood import plan_reading
from evaluation.prediction.evaluating import WORDS, LabelledTable, evaluate_labels
from evaluation.prediction.predicting import Predicting, check_predictor
from evaluation.probing.datasets import read_task
from evaluation.probing.probe import probe_task
from evaluation.probing.table import class_lines
from evaluation.suite.config import (
    KINDS,
    LabelTask,
    LikelihoodTask,
    ProbeTask,
    RecallTask,
    Task,
    VariantTask,
)
from evaluation.suite.likelihood import measure_likelihood
from evaluation.suite.recall import measure_recall
from evaluation.suite.result import Metric, RecordResult
from evaluation.variants.alleles import SCORED
from evaluation.variants.labels import Labelling, table_lines
from evaluation.variants.measures import ALL, Interval
from evaluation.variants.run import VariantRun, score_variants
from evaluation.variants.windows import plan_placement
from foundation.terminal import warn

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class Found:
    """Of one task: its metrics, how many alleles were left out of them, by status, and its records and their files."""

    metrics: list[Metric]
    unscored: dict[str, int] = field(default_factory=dict)
    records: tuple[RecordResult, ...] = ()
    sources: tuple[RecordResult, ...] = ()


def run_task(
    model: "PreTrainedModel", directory: Path, task: Task, *, batch_size: int, where: str, journal: Path | None = None
) -> Found:
    """One task on `model`, loaded from `directory`; `where` names it in errors.

    `journal`: where a task that keeps what it has so far does so (see `score_variants`); it stays until its caller
    removes it.
    """
    if isinstance(task, LikelihoodTask):
        found = measure_likelihood(model, directory, task, batch_size=batch_size)
        return Found(metrics=[found.metric], records=found.records, sources=found.sources)
    if isinstance(task, RecallTask):
        return Found(metrics=_recall(model, task, batch_size, where))
    if isinstance(task, VariantTask):
        return _variants(model, directory, task, batch_size, journal)
    if isinstance(task, LabelTask):
        return Found(metrics=_labels(model, directory, task, batch_size))
    return Found(metrics=_probe(model, task, batch_size))


def _recall(model: "PreTrainedModel", task: RecallTask, batch_size: int, where: str) -> list[Metric]:
    found = measure_recall(
        model, distances=list(task.distances), samples=task.samples, seed=task.seed, batch_size=batch_size, where=where
    )
    kind, metrics = KINDS[type(task)], []
    for one in found:
        place, margin = f"{one.distance} bases apart", 1.96 * one.error
        low, high = one.bits - margin, one.bits + margin
        metrics += [
            Metric(
                kind=kind, name=task.name, part=place, metric="bits per base", value=one.bits, low=low,
                high=high, better="lower", baseline=UNIFORM_BITS, baseline_name="chance", count=one.bases,
            ),
            Metric(
                kind=kind, name=task.name, part=place, metric="accuracy", value=one.accuracy, low=None,
                high=None, better="higher", baseline=0.25, baseline_name="chance", count=one.bases,
            ),
        ]  # fmt: skip
    return metrics


def _variants(
    model: "PreTrainedModel", directory: Path, task: VariantTask, batch_size: int, journal: Path | None
) -> Found:
    longest = int(model.config.max_position_embeddings)
    window = min(task.window, longest)
    placement = plan_placement(longest, window=window, downstream=task.downstream, grid=task.grid)
    run = VariantRun(
        model=directory, fasta=Path(task.genome), vcf=Path(task.vcf), placement=placement, strand=task.strand,
        dtype=str(model.dtype).removeprefix("torch."), batch_size=batch_size,
    )  # fmt: skip
    labelling = Labelling(
        key=task.label, positive=tuple(task.positive), negative=tuple(task.negative), by=task.by
    )  # fmt: skip
    result = score_variants(model, run, journal=journal, labelling=labelling)
    for line in table_lines(result.labels, task.label):
        warn(f"{task.name}: {line}")
    rows: list[tuple[str, str, Interval | None, float, int]] = []
    for one in result.measures:
        count = one.positives + one.negatives
        part = "" if one.name == ALL else one.name
        rows += [
            (part, "AUROC", one.auroc, 0.5, count),
            (part, "AUPRC", one.auprc, one.positives / max(count, 1), count),
        ]
    metrics = [
        Metric(
            kind=KINDS[type(task)], name=task.name, part=part, metric=metric, value=found.value,
            low=found.low, high=found.high, better="higher", baseline=chance, baseline_name="chance", count=count,
        )
        for part, metric, found, chance, count in rows
        if found is not None
    ]  # fmt: skip
    return Found(metrics=metrics, unscored={k: n for k, n in sorted(result.statuses.items()) if k != SCORED})


def _labels(model: "PreTrainedModel", directory: Path, task: LabelTask, batch_size: int) -> list[Metric]:
    head = check_predictor(directory, calibrated=task.calibrated)
    how = Predicting(head=head, both_strands=head.both_strands, calibrated=task.calibrated, batch_size=batch_size)
    signal = signal_of(task.genome, task.bigwig, task.bigwig_fill)
    table = LabelledTable(path=Path(task.table), sequence=task.sequence, labels=tuple(task.labels), signal=signal)
    fix = "Leave it out, or add truncate: left or right to the task."
    cut = Cut(longest=int(model.config.max_position_embeddings), side=task.truncate, fix=fix)
    fitted_on = replace(table, path=Path(task.fitted_on)) if task.fitted_on else None
    found = evaluate_labels(model, table, how, cut, fitted_on=fitted_on)
    return [
        Metric(
            kind=KINDS[type(task)], name=task.name, part="", metric=WORDS[name], value=value, low=None, high=None,
            better="higher", baseline=found.best(name)[1], baseline_name=found.best(name)[0], count=found.count,
        )
        for name, value in found.measures.items()
    ]  # fmt: skip


def _probe(model: "PreTrainedModel", task: ProbeTask, batch_size: int) -> list[Metric]:
    labelled, reading = read_task(Path(task.directory)), plan_reading(model, batch_size=batch_size)
    for line in class_lines(labelled):
        warn(line)
    rows = probe_task(
        model, labelled, reading, heads=task.heads, layer=task.layer, pooling=task.pooling, seeds=task.seeds
    )
    counted = [row for row in rows if row.features.endswith("mers")]
    kind, metrics = KINDS[type(task)], []
    for row in rows:
        if row in counted:
            continue
        for metric, pick in (("MCC", "mcc"), ("AUROC", "auroc")):
            best = max(counted, key=lambda one: float(getattr(one, pick)))
            value, spread = getattr(row, pick), getattr(row, f"{pick}_sd")
            metrics.append(
                Metric(
                    kind=kind, name=task.name, part=row.head, metric=metric, value=value, low=value - spread,
                    high=value + spread, better="higher", baseline=getattr(best, pick), baseline_name=best.features,
                    count=len(labelled.test),
                )
            )  # fmt: skip
    return metrics
