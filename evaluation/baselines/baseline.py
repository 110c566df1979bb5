"""The Markov chains on exactly the records of a score: fitted on the corpus's training split, checked against it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.manifest import read_manifest
from corpus.read import document_sources
from evaluation.baselines.kmers import count_kmers, reach
from evaluation.baselines.markov import (
    MAX_TRAINING_BASES,
    MarkovScore,
    best_markov,
    fit_chains,
    score_markov,
)
from evaluation.likelihood.regions import Region, bases_of, letters_scored, read_regions
from evaluation.likelihood.score import Score
from foundation.errors import InputError
from foundation.memory import available_memory

TRAINING_SPLIT = "train"
UNIFORM_BITS = 2.0
"""Bits per base of a uniform guess among A, C, G and T."""

_COMPRESSED = 5  # a base takes a fifth of a byte at the least


@dataclass(frozen=True, kw_only=True)
class RecordBits:
    """A record, of however many documents: what the model needs per base, and `baseline`, the best chain of all."""

    name: str
    bases_scored: int
    bits_per_base: float
    baseline: float | None


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Orders 0 to 11, as far as they go: `left_out` says why not.

    `training_bases` were counted; `capped` says that the training split has more. `records`: those with a scored base,
    in order; `sources`: the files that they are from, where a corpus tells.
    """

    scores: tuple[MarkovScore, ...]
    training_bases: int
    capped: bool
    left_out: str
    records: tuple[RecordBits, ...]
    sources: tuple[RecordBits, ...]

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
    source = Path(score.source) if score.split is None else corpus
    return fit_baselines(corpus, score, source, _scored_regions(source, score), max_bases=max_bases)


def fit_baselines(
    fitted_on: Path, score: Score, source: Path, regions: Iterator[Region], *, max_bases: int = MAX_TRAINING_BASES
) -> Baselines:
    """Fit on a FASTA file or the training split of a corpus, evaluate on `regions` of `source`, those of `score`.

    Errors: `InputError` where nothing is there to be fitted on, or the score has other bases.
    """
    split = TRAINING_SPLIT if fitted_on.is_dir() else None
    longest = reach(min(_most_bases(fitted_on), max_bases), available_memory())
    documents = map(letters_scored, read_regions(fitted_on, split=split))
    training = count_kmers(documents, order=longest.order, max_bases=max_bases)
    chains = fit_chains(training, fitted_on)
    places, losses = [], []
    for region in regions:
        places.append((region.contig, region.start))
        losses.append(chains.score(letters_scored(region)))
    scores = score_markov(losses)
    if scores[0].bases_scored != score.bases_scored:
        raise InputError(
            f"has {scores[0].bases_scored:,} bases to score, and {score.bases_scored:,} in the score",
            where=score.source,
            fix=_FIX,
            kind="score-base-count",
        )
    order = best_markov(scores).order
    chain = [float(loss.nats[order]) for loss in losses]
    return Baselines(
        scores=scores,
        training_bases=training.bases,
        capped=training.capped,
        left_out=longest.left_out,
        records=by_record(score, places, chain),
        sources=by_source(score, source, chain),
    )


def by_record(
    score: Score, places: Iterable[tuple[str, int]], chain: Sequence[float] | None = None
) -> tuple[RecordBits, ...]:
    """The documents of a score brought together by the record that each is of.

    `places`: of each document, the record and where in it it begins. One that begins no later than the one before it is
    of another record, of the same name: the name gets a number. `chain`: nats of each under the baseline.
    """
    totals: dict[str, list[float]] = {}
    last: dict[str, tuple[int, int]] = {}
    for number, ((name, start), record) in enumerate(zip(places, score.records, strict=True)):
        before, occurrence = last.get(name, (-1, 1))
        occurrence += start <= before
        last[name] = start, occurrence
        total = totals.setdefault(name if occurrence == 1 else f"{name} ({occurrence})", [0.0, 0.0, 0.0])
        for place, value in enumerate((record.bases_scored, record.nats, chain[number] if chain else 0.0)):
            total[place] += value
    return tuple(
        RecordBits(
            name=name,
            bases_scored=int(bases),
            bits_per_base=nats / math.log(2) / bases,
            baseline=baseline / math.log(2) / bases if chain else None,
        )
        for name, (bases, nats, baseline) in totals.items()
        if bases
    )


def by_source(score: Score, source: Path, chain: Sequence[float] | None = None) -> tuple[RecordBits, ...]:
    """As `by_record`, by the file that each document of a corpus is from; none where it does not tell, or of a file."""
    names = document_sources(source, score.split) if score.split else None
    return by_record(score, ((name, place) for place, name in enumerate(names)), chain) if names else ()


def _most_bases(source: Path) -> int:
    """How many bases there can be to fit on."""
    if source.is_dir():
        split = read_manifest(source).split(TRAINING_SPLIT)
        return split.bases if split else 0
    return source.stat().st_size * (1 if source.suffix in (".fa", ".fasta", ".fna") else _COMPRESSED)


def _scored_regions(source: Path, score: Score) -> Iterator[Region]:
    """Each record of `score`, in its order."""
    where = f"{source}" if score.split is None else f"{source}, split {score.split}"
    regions = read_regions(source, split=score.split, markup=score.split is None)
    for number, record in enumerate(score.records, start=1):
        region = next(regions, None)
        if region is None or (region.name, bases_of(region)) != (record.name, record.length):
            problem = f"record {number} is not the {record.name!r} of {record.length:,} bases that was scored"
            raise InputError(problem, where=where, fix=_FIX, kind="score-of-other-records")
        yield region


_FIX = "Score the model again, on the corpus that the report is for."
