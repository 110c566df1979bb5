"""Bits and nats per base of sequences: what a test loss is, with an interval over the records."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import read_regions
from evaluation.likelihood.scoring import Source, score_regions
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.result import Found, Measure

LAYOUTS = ("fasta",)
STATISTICS = ("bits per base", "nats per base")
RESAMPLES = 1000

Nats = npt.NDArray[np.float64]
Bases = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """`window` and `stride` in bases; a stride of null is half the window. `strand`: forward, reverse or both."""

    window: int = 8192
    stride: int | None = None
    strand: str = "forward"


def run(context: Context, protocol: Protocol) -> Found:
    """Score every record of the file."""
    window, notes = context.fit(protocol.window)
    reading = plan_reading(context.model, context_length=window, stride=protocol.stride, batch_size=context.batch_size)
    source = context.data.own[0]
    origin = Source(model=str(context.directory), source=source.name)
    score = score_regions(context.model, read_regions(source), reading, origin, strand=protocol.strand)
    nats = np.array([one.nats for one in score.records])
    bases = np.array([one.bases_scored for one in score.records])
    measures = [_measure(statistic, nats, bases) for statistic in context.spec.statistics]
    items = {"record": [one.name for one in score.records], "bases": bases.tolist(), "nats": nats.tolist()}
    return Found(measures=measures, items=items, notes=notes)


def _measure(statistic: str, nats: Nats, bases: Bases) -> Measure:
    """All nats over all bases; the interval resamples records."""
    unit = math.log(2) if statistic == "bits per base" else 1.0
    drawn = np.random.default_rng(0).multinomial(len(nats), np.full(len(nats), 1 / len(nats)), size=RESAMPLES)
    resampled = (drawn @ nats) / np.maximum(drawn @ bases, 1) / unit
    low, high = np.percentile(resampled, [2.5, 97.5]) if len(nats) > 1 else (None, None)
    return Measure(
        metric=statistic,
        value=float(nats.sum() / bases.sum() / unit),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        count=int(bases.sum()),
        clusters=len(nats),
        better="lower",
        chance=math.log(4) / unit,
    )
