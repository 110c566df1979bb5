"""The Markov chains on exactly the records of a score: fitted on the corpus's training split, checked against it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evaluation.baselines.kmers import count_kmers
from evaluation.baselines.markov import MAX_TRAINING_BASES, MarkovScore, best_markov, score_markov
from evaluation.likelihood.regions import bases_of, letters_scored, read_regions
from evaluation.likelihood.score import Score
from foundation.errors import InputError
from tokenizer.sequence import Ids

TRAINING_SPLIT = "train"
UNIFORM_BITS = 2.0
"""Bits per base of a uniform guess among A, C, G and T."""


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Orders 0 to 6. `training_bases` were counted; `capped` says that the training split has more."""

    scores: tuple[MarkovScore, ...]
    training_bases: int
    capped: bool

    @property
    def best(self) -> MarkovScore:
        """The best order on the held-out records."""
        return best_markov(self.scores)


def markov_baselines(corpus: Path, score: Score, *, max_bases: int = MAX_TRAINING_BASES) -> Baselines:
    """Fit on `corpus`, evaluate on the records of `score`, read again from where they were scored.

    Errors: `InputError` where those records are gone or are not the ones that were scored, or not whole and forward.
    """
    if score.strand != "forward" or score.regions is not None:
        problem = "chains are compared on whole records, read forward"
        raise InputError(
            problem, where=score.source, fix="Score without --bed and --strand for a report.", kind="score-of-regions"
        )
    training = count_kmers(map(letters_scored, read_regions(corpus, split=TRAINING_SPLIT)), max_bases=max_bases)
    held_out = count_kmers(_scored_sequences(corpus, score))
    if held_out.targets != score.bases_scored:
        raise InputError(
            f"has {held_out.targets:,} bases to score, and {score.bases_scored:,} in the score",
            where=score.source,
            fix=_FIX,
            kind="score-base-count",
        )
    scores = score_markov(training, held_out, corpus)
    return Baselines(scores=scores, training_bases=training.bases, capped=training.capped)


def _scored_sequences(corpus: Path, score: Score) -> Iterator[Ids]:
    """The ids of each record of `score`, in its order."""
    source = Path(score.source) if score.split is None else corpus
    where = f"{source}" if score.split is None else f"{source}, split {score.split}"
    regions = read_regions(source, split=score.split, markup=score.split is None)
    for number, record in enumerate(score.records, start=1):
        region = next(regions, None)
        if region is None or (region.name, bases_of(region)) != (record.name, record.length):
            problem = f"record {number} is not the {record.name!r} of {record.length:,} bases that was scored"
            raise InputError(problem, where=where, fix=_FIX, kind="score-of-other-records")
        yield letters_scored(region)


_FIX = "Score the model again, on the corpus that the report is for."
