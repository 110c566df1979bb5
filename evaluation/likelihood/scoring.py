"""Records scored by a model: readings of one strand or both, summed; and each base's log-probability where wanted."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from corpus.markup import is_markup, to_this_strand
from evaluation.digest import Identity
from evaluation.likelihood.likelihood import Likelihood, Logs, Piece, Reading, assemble, cut_sequences, read_unit
from evaluation.likelihood.regions import Region, bases_of, oriented
from evaluation.likelihood.score import RecordScore, Score
from evaluation.sharding.job import Results
from foundation.errors import InputError, nearest
from foundation.progress import progress_bar
from tokenizer.sequence import Ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STRANDS: dict[str, tuple[bool, ...]] = {"forward": (False,), "reverse": (True,), "both": (False, True)}
"""Readings of each choice; True is the reverse complement."""


def strands(name: str) -> tuple[bool, ...]:
    """The readings of `name`. Errors: `InputError` for another choice than those of `STRANDS`."""
    if name not in STRANDS:
        raise InputError(f"unknown strand {name!r}", fix=nearest(name, STRANDS), kind="strand")
    return STRANDS[name]


class Track(Protocol):
    """Where the log-probabilities of single bases go."""

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        """Take ln P of each base of `region`, shape [bases] in the genome's order, NaN where it has none.

        Or its distribution, shape [bases, 6], in the genome's letters.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is scored, as the result says it; `bases`, where known, is for the progress bar."""

    model: str
    source: str
    identity: Identity = field(default_factory=Identity)
    split: str | None = None
    regions: str | None = None
    flank: int = 0
    bases: int | None = None


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """What a result says of how it came about: the model's parameters and dtype, and how sequence was read."""

    parameters: int
    dtype: str
    context_length: int
    stride: int
    acgt_only: bool
    strand: str


def score_regions(
    model: "PreTrainedModel",
    regions: Iterable[Region],
    reading: Reading,
    source: Source,
    *,
    strand: str = "forward",
    track: Track | None = None,
    distribution: Track | None = None,
) -> Score:
    """Score `regions`; `track` gets each base's ln P, and `distribution` what was expected there.

    Errors: `InputError` for characters that are not nucleotides, and for no base to score at all.
    """
    scorer = Scorer(
        parameters=model.num_parameters(),
        dtype=str(model.dtype).removeprefix("torch."),
        context_length=reading.context_length,
        stride=reading.stride,
        acgt_only=reading.acgt_only,
        strand=strand,
    )
    scoring = Scoring(lambda: regions, scorer)

    def results() -> Results[Piece]:
        with progress_bar(f"Scoring {source.source}", total=source.bases, unit="b") as advance:
            for unit in scoring.units():
                yield unit, read_unit(model, unit, reading)
                advance(sum(map(scoring.amount, unit)))

    return scoring.score(results(), source, track, distribution)


class Scoring:
    """Regions on their way to a score: cut into units of windows, and brought together again.

    `regions` gives them, as often as it is called.
    """

    def __init__(self, regions: Callable[[], Iterable[Region]], scorer: Scorer) -> None:
        self._regions, self._scorer = regions, scorer
        self._readings = strands(scorer.strand)
        self._ahead: deque[Region] = deque()

    def units(self) -> Iterator[list[Piece]]:
        """The windows of every reading of every region."""

        def sequences() -> Iterator[tuple[Ids, int]]:
            for region in self._regions():
                self._ahead.append(region)
                for reverse in self._readings:
                    yield oriented(region, reverse=reverse)

        self._ahead.clear()
        return cut_sequences(sequences(), context_length=self._scorer.context_length, stride=self._scorer.stride)

    def amount(self, piece: Piece) -> float:
        """Bases of the regions, of which each is read once per strand."""
        return piece.bases / len(self._readings)

    def score(
        self,
        results: Results[Piece],
        source: Source,
        track: Track | None = None,
        distribution: Track | None = None,
    ) -> Score:
        """The score, from the units of all, whose bases go to the tracks. Errors: `InputError` for no base to score."""
        records: list[RecordScore] = []
        tokens = 0
        for found in zip(*[assemble(results)] * len(self._readings), strict=True):
            region, logs = self._ahead.popleft(), [one.logs for one in found]
            tokens += sum(one.inputs for one in found)
            records.append(_record(region, logs))
            alone = _without_markup(region)
            if track is not None:
                by_strand = dict(zip(self._readings, logs, strict=True))
                track.add(alone, _to_genome(region, by_strand, False), _to_genome(region, by_strand, True))
            if distribution is not None:
                kept = {one: _expected(like, region, one) for one, like in zip(self._readings, found, strict=True)}
                distribution.add(alone, _to_genome(region, kept, False), _to_genome(region, kept, True))
        score = _score(source, self._scorer, tokens, tuple(records))
        if not score.bases_scored:
            fix = "A record needs at least two bases (A, C, G or T)."
            raise InputError("has no base to score", where=source.source, fix=fix, kind="no-base-to-score")
        return score


def _score(source: Source, scorer: Scorer, tokens: int, records: tuple[RecordScore, ...]) -> Score:
    return Score(
        model=source.model,
        identity=source.identity,
        source=source.source,
        split=source.split,
        regions=source.regions,
        flank=source.flank,
        strand=scorer.strand,
        alphabet="acgt" if scorer.acgt_only else "all",
        parameters=scorer.parameters,
        dtype=scorer.dtype,
        context_length=scorer.context_length,
        stride=scorer.stride,
        tokens=tokens,
        records=records,
    )


def _without_markup(region: Region) -> Region:
    markup = is_markup(region.ids)
    return replace(region, ids=region.ids[~markup]) if markup.any() else region


def _record(region: Region, logs: list[Logs]) -> RecordScore:
    nats = -sum(float(np.nansum(one, dtype=np.float64)) for one in logs)
    scored = sum(int(np.isfinite(one).sum()) for one in logs)
    return RecordScore(name=region.name, length=bases_of(region), bases_scored=scored, nats=nats)


def _expected(found: Likelihood, region: Region, reverse: bool) -> Logs:
    """The distributions of a reading, with the columns of A and T, and of C and G, exchanged on the other strand."""
    assert found.distribution is not None
    minus = reverse != (region.strand == "-")
    return found.distribution[:, [3, 2, 1, 0, 4, 5]] if minus else found.distribution


def _to_genome(region: Region, logs: dict[bool, Logs], reverse: bool) -> Logs | None:
    """The reading in the genome's order, bases alone; on a "-" region, that of its reverse complement is turned too."""
    if reverse not in logs:
        return None
    minus = reverse != (region.strand == "-")
    values = to_this_strand(region.ids, logs[reverse]) if minus else logs[reverse]
    markup = is_markup(region.ids)
    return values[~markup] if markup.any() else values
