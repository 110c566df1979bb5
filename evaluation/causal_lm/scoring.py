"""Records scored by a model with another tokenizer: nats and bases, on one strand or both."""

from collections.abc import Iterable, Iterator

import numpy as np

from evaluation.causal_lm.model import CausalLM
from evaluation.likelihood.regions import Region, bases_of, oriented
from evaluation.likelihood.score import RecordScore
from evaluation.likelihood.scoring import strands
from foundation.errors import InputError
from foundation.progress import progress_bar
from tokenizer.sequence import Ids


def score_records(model: CausalLM, regions: Iterable[Region], source: str, strand: str) -> list[RecordScore]:
    """Of every region of `source`, as `evaluation.likelihood` has it. Errors: `InputError` where no base is scored."""
    readings, waiting = strands(strand), list(regions)

    def sequences() -> Iterator[Ids]:
        for region in waiting:
            for reverse in readings:
                yield oriented(region, reverse=reverse)[0]

    total = len(readings) * sum(map(bases_of, waiting))
    with progress_bar(f"Scoring {source}", total=total, unit="b") as advance:
        logs = [found.logs for found in model.log_likelihoods(sequences(), advance)]
    records = []
    for number, region in enumerate(waiting):
        own = logs[number * len(readings) : (number + 1) * len(readings)]
        records.append(
            RecordScore(
                name=region.name,
                length=bases_of(region),
                bases_scored=sum(int(np.isfinite(one).sum()) for one in own),
                nats=-sum(float(np.nansum(one, dtype=np.float64)) for one in own),
            )
        )
    if not sum(one.bases_scored for one in records):
        fix = "A record needs two tokens of A, C, G and T, at least."
        raise InputError("has no base to score", where=model.directory, fix=fix, kind="no-base-to-score")
    return records
