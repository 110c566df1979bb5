"""Short ways to score sequence in tests."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from evaluation.likelihood.likelihood import base_log_probabilities, plan_reading
from evaluation.likelihood.regions import Region, oriented
from evaluation.likelihood.score import Score
from evaluation.likelihood.scoring import Source, Track, score_regions


def regions(documents: Iterable[tuple[str, np.ndarray]]) -> list[Region]:
    return [Region(name=name, contig=name, ids=ids) for name, ids in documents]


def base_nats(model: Any, ids: np.ndarray, **options: Any) -> np.ndarray:
    """Loss of every base of one sequence in nats; NaN where it has no score."""
    sequence = oriented(Region(name="sequence", ids=ids), reverse=False)
    (found,) = base_log_probabilities(model, [sequence], plan_reading(model, **options))
    return -found.logs.astype(np.float64)


def score_records(
    model: Any,
    documents: Iterable[Region] | list[tuple[str, np.ndarray]],
    *,
    name: str = "tiny",
    source: str = "made up",
    split: str | None = None,
    strand: str = "forward",
    track: Track | None = None,
    **options: Any,
) -> Score:
    listed = list(documents)
    given = regions(listed) if listed and isinstance(listed[0], tuple) else listed
    origin = Source(model=name, source=source, split=split)
    return score_regions(model, given, plan_reading(model, **options), origin, strand=strand, track=track)
