"""Bits and nats per base of sequences: what a test loss is, with an interval over the records."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.causal_lm.model import CausalLM
from evaluation.causal_lm.scoring import score_records
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import bases_of, read_regions
from evaluation.likelihood.score import RecordScore
from evaluation.likelihood.scoring import Source, score_regions
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.result import Found, Measure

LAYOUTS = {"fasta": None}
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
    """Score every record; of several files each is a source, with a part of its own beside the whole."""
    window, notes = context.fit(protocol.window)
    paths = context.data.own
    scores = {name: _score(context, protocol, path, window) for name, path in zip(_names(paths), paths, strict=True)}
    rows = [(source, one) for source, score in scores.items() for one in score]
    nats, bases = np.array([one.nats for _, one in rows]), np.array([one.bases_scored for _, one in rows])
    sources = np.array([source for source, _ in rows])
    measures = []
    for statistic in context.spec.statistics:
        measures.append(_measure(statistic, nats, bases))
        for source in scores if len(scores) > 1 else ():
            own = sources == source
            measures.append(replace(_measure(statistic, nats[own], bases[own]), part=source))
    names = [one.name for _, one in rows]
    items = {"source": sources.tolist(), "record": names, "bases": bases.tolist(), "nats": nats.tolist()}
    return Found(measures=measures, items=items, notes=notes)


def _names(paths: Sequence[Path]) -> list[str]:
    """What the sources are called: their files without endings, with endings or folders where those alone differ."""
    short, whole = [path.name.partition(".")[0] for path in paths], [path.name for path in paths]
    return next((names for names in (short, whole) if len(set(names)) == len(names)), list(map(str, paths)))


def _score(context: Context, protocol: Protocol, source: Path, window: int) -> Sequence[RecordScore]:
    if isinstance(context.model, CausalLM):
        return score_records(context.model, read_regions(source), source.name, protocol.strand)
    reading = plan_reading(context.model, context_length=window, stride=protocol.stride, batch_size=context.batch_size)
    total = sum(map(bases_of, read_regions(source)))
    origin = Source(model=str(context.directory), source=source.name, bases=total)
    return score_regions(context.model, read_regions(source), reading, origin, strand=protocol.strand).records


def _measure(statistic: str, nats: Nats, bases: Bases) -> Measure:
    """All nats over all bases; the interval resamples records that have bases."""
    nats, bases = nats[bases > 0], bases[bases > 0]
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
