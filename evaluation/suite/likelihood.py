"""The likelihood tasks of a suite: bits per base of sequence and of its records, and what Markov chains need."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.baselines.baseline import UNIFORM_BITS, RecordBits, by_record, fit_baselines
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import read_regions
from evaluation.likelihood.scoring import Source, score_regions
from evaluation.suite.config import KINDS, LikelihoodTask
from evaluation.suite.result import Metric, RecordResult

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_RECORDS = 1000
"""Of a task, those with the most bases are kept."""


def measure_likelihood(
    model: "PreTrainedModel", directory: Path, task: LikelihoodTask, *, batch_size: int
) -> tuple[Metric, list[RecordResult]]:
    """Bits per base of all records together, and of each of those with the most bases."""
    source = Path(task.source)
    split = task.split if source.is_dir() else None
    reading = plan_reading(model, context_length=task.context_length, stride=task.stride, batch_size=batch_size)
    origin = Source(model=str(directory), source=task.source, split=split)
    score = score_regions(model, read_regions(source, split=split), reading, origin)
    regions = read_regions(source, split=split)
    baseline, baseline_name = UNIFORM_BITS, "uniform guess"
    if fitted_on := task.fitted_on or (task.source if split else None):
        chains = fit_baselines(Path(fitted_on), score, regions)
        records = chains.records
        if chains.best.bits_per_base < baseline:
            baseline, baseline_name = chains.best.bits_per_base, f"Markov, order {chains.best.order}"
    else:
        records = by_record(score, ((region.contig, region.start) for region in regions))
    metric = Metric(
        kind=KINDS[type(task)], name=task.name, part="", metric="bits per base", value=score.bits_per_base,
        low=None, high=None, better="lower", baseline=baseline, baseline_name=baseline_name,
        count=score.bases_scored,
    )  # fmt: skip
    return metric, _largest(records)


def _largest(records: Sequence[RecordBits]) -> list[RecordResult]:
    """Those with the most bases, in their order."""
    least = sorted((one.bases_scored for one in records), reverse=True)[:MOST_RECORDS][-1]
    return [
        RecordResult(name=one.name, count=one.bases_scored, value=one.bits_per_base, baseline=one.baseline)
        for one in records
        if one.bases_scored >= least
    ][:MOST_RECORDS]
