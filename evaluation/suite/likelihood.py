"""The likelihood tasks of a suite: bits per base of sequence and of its records, and what Markov chains need."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.baselines.baseline import UNIFORM_BITS, RecordBits, by_record, by_source, fit_baselines
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import read_regions
from evaluation.likelihood.scoring import Source, score_regions
from evaluation.suite.config import KINDS, LikelihoodTask
from evaluation.suite.result import Metric, RecordResult

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_RECORDS = 1000
"""Of a task, those with the most bases are kept."""


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """Bits per base of all records together, of those with the most bases, and of the files that a corpus is from."""

    metric: Metric
    records: tuple[RecordResult, ...]
    sources: tuple[RecordResult, ...]


def measure_likelihood(
    model: "PreTrainedModel", directory: Path, task: LikelihoodTask, *, batch_size: int
) -> Likelihood:
    """Run the task."""
    source = Path(task.source)
    split = task.split if source.is_dir() else None
    reading = plan_reading(model, context_length=task.context_length, stride=task.stride, batch_size=batch_size)
    origin = Source(model=str(directory), source=task.source, split=split)
    score = score_regions(model, read_regions(source, split=split), reading, origin)
    regions = read_regions(source, split=split)
    baseline, baseline_name = UNIFORM_BITS, "uniform guess"
    if fitted_on := task.fitted_on or (task.source if split else None):
        chains = fit_baselines(Path(fitted_on), score, source, regions)
        records, files = chains.records, chains.sources
        if chains.best.bits_per_base < baseline:
            baseline, baseline_name = chains.best.bits_per_base, f"Markov, order {chains.best.order}"
    else:
        records = by_record(score, ((region.contig, region.start) for region in regions))
        files = by_source(score, source)
    metric = Metric(
        kind=KINDS[type(task)], name=task.name, part="", metric="bits per base", value=score.bits_per_base,
        low=None, high=None, better="lower", baseline=baseline, baseline_name=baseline_name,
        count=score.bases_scored,
    )  # fmt: skip
    return Likelihood(metric=metric, records=_largest(records), sources=_largest(files))


def _largest(records: Sequence[RecordBits]) -> tuple[RecordResult, ...]:
    """Those with the most bases, these first."""
    return tuple(
        RecordResult(name=one.name, count=one.bases_scored, value=one.bits_per_base, baseline=one.baseline)
        for one in sorted(records, key=lambda one: -one.bases_scored)[:MOST_RECORDS]
    )
