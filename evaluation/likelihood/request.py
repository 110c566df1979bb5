"""What `score` is asked for, and the job that it is: likelihood, cut into units of windows."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from configs.llama import read_architecture
from corpus.manifest import read_manifest
from evaluation.digest import identify, named
from evaluation.finished import Work
from evaluation.likelihood.bed import check_bed
from evaluation.likelihood.distributions import check_distribution, distribution_files, open_distribution
from evaluation.likelihood.hub import SETTINGS, check_hub, open_distribution_hub
from evaluation.likelihood.likelihood import Piece, plan_context, plan_reading, read_unit
from evaluation.likelihood.model import check_directory, check_language_model, load_model
from evaluation.likelihood.names import check_document_names
from evaluation.likelihood.regions import (
    check_markup_options,
    check_source,
    read_regions,
)
from evaluation.likelihood.score import Score, write_score
from evaluation.likelihood.scoring import Scorer, Scoring, Source, Track
from evaluation.likelihood.tracks import check_track, open_track
from evaluation.sharding.job import Compute, Progress, Results, at_once
from foundation.atomic import check_directory_writable, check_writable
from foundation.errors import InputError
from tokenizer.sequence import Ids


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    """What is scored, how, and the files that it is written to: `scores` (JSON), and the tracks of single bases."""

    model: Path
    source: Path
    scores: Path | None = None
    per_base: Path | None = None
    distribution: Path | None = None
    hub: Path | None = None
    assembly: str = ""
    split: str = "validation"
    bed: Path | None = None
    flank: int = 0
    strand: str = "forward"
    acgt_only: bool = False
    context_length: int | None = None
    stride: int | None = None
    dtype: str = "float32"
    batch_size: int | None = None
    adapter: Path | None = None
    markup: bool = False
    tag: str | None = None

    command = "score"
    journal = None

    @property
    def is_corpus(self) -> bool:
        return self.source.is_dir()

    @property
    def files(self) -> list[Path]:
        """The outputs."""
        expected = distribution_files(self.distribution) if self.distribution else []
        hub = self.hub / SETTINGS if self.hub else None
        return [path for path in (self.scores, self.per_base, *expected, hub) if path is not None]

    @property
    def out(self) -> Path:
        """The first output, after which parts are named. Errors: `InputError` without any."""
        if not self.files or self.files[0].parent == self.hub:
            fix = "Give --out FILE for the result."
            raise InputError("shards need an output", fix=fix, kind="shard-without-output")
        return self.files[0]

    def at(self, out: Path) -> "ScoreRequest":
        """The same, with `out` in the place of the first output."""
        if self.scores is None and self.per_base is None:
            fix = "Give the same --out as the shards."
            if out.resolve() != self.out.resolve():
                raise InputError(
                    "is not the output that the shards were computed for", where=out, fix=fix, kind="merge-output"
                )
            return self
        return replace(self, scores=out) if self.scores else replace(self, per_base=out)

    def check(self) -> None:
        """Errors: `InputError` for what can be known to be wrong before the model is loaded."""
        check_source(self.source, self.bed)
        self.first()
        if self.flank and self.bed is None:
            raise InputError("--flank goes with --bed", fix="Leave it out.", kind="flank-without-bed")
        if self.per_base is not None:
            check_track(self.per_base, fasta=None if self.is_corpus else self.source, bed=self.bed)
        if self.distribution is not None:
            check_distribution(self.distribution, fasta=None if self.is_corpus else self.source, bed=self.bed)
        if self.hub is not None:
            if self.distribution is not None:
                fix = "Give one of them: a hub has the bigWigs."
                raise InputError("--hub and --distribution write the same", fix=fix, kind="hub-and-distribution")
            fasta = None if self.is_corpus else self.source
            check_hub(self.hub, self.assembly, fasta=fasta, bed=self.bed)
        if self.bed is not None:
            check_bed(self.bed)
        for track in (self.per_base, self.distribution, self.hub):
            if track is not None and self.is_corpus and self.bed is None and track.suffix.lower() != ".parquet":
                check_document_names(self.source, self.split, track)
        check_writable(self.scores, self.per_base)
        if self.distribution is not None:
            check_writable(*distribution_files(self.distribution), given=self.distribution)
        if self.hub is not None:
            check_directory_writable(self.hub)
        if self.is_corpus:
            read_manifest(self.source)
        check_directory(self.model, self.adapter)
        check_language_model(self.model, self.adapter)
        self.context()

    def first(self) -> Ids | None:
        """What comes before each record. Errors: `InputError` for options of markup that do not go together."""
        return check_markup_options(self.markup, self.tag, bed=self.bed, is_corpus=self.is_corpus)

    def context(self) -> tuple[int, int]:
        """Context length and stride. Errors: `InputError` out of range."""
        longest = read_architecture(self.model).max_position_embeddings
        return plan_context(longest, context_length=self.context_length, stride=self.stride)

    def made(self, *, overwrite: bool = False) -> Work:
        """What decides the result, and its files."""
        return Work(
            command=self.command,
            model=self.model,
            adapter=self.adapter,
            sources={"source": self.source, "bed": self.bed},
            settings={
                "split": self.split, "flank": self.flank, "strand": self.strand, "acgt_only": self.acgt_only,
                "markup": self.markup, "tag": self.tag,
                **({"assembly": self.assembly} if self.hub else {}),
                "context_length": self.context_length, "stride": self.stride, "dtype": self.dtype,
            },
            files=self.files,
            overwrite=overwrite,
        )  # fmt: skip

    def open(self) -> "ScoreJob":
        """Its job."""
        return ScoreJob(self)


class ScoreJob:
    """Likelihood of regions, in units of windows."""

    def __init__(self, request: ScoreRequest) -> None:
        self._request = request
        context_length, stride = request.context()
        self._split = request.split if request.is_corpus and request.bed is None else None
        known = read_manifest(request.source).split(request.split) if self._split else None
        self.progress = Progress(
            description=f"Scoring {request.source}", unit="b", total=known.bases if known else None
        )  # fmt: skip
        self._scorer = Scorer(
            parameters=read_architecture(request.model).parameters,
            dtype=request.dtype,
            context_length=context_length,
            stride=stride,
            acgt_only=request.acgt_only,
            strand=request.strand,
        )
        regions = partial(
            read_regions,
            request.source,
            split=self._split,
            bed=request.bed,
            flank=request.flank,
            markup=request.markup,
            tag=request.first(),
        )
        self._scoring = Scoring(regions, self._scorer)

    def _source(self) -> Source:
        asked = self._request
        return Source(
            model=named(asked.model, asked.adapter),
            identity=identify(asked.model, asked.adapter),
            source=str(asked.source),
            split=self._split,
            regions=str(asked.bed) if asked.bed else None,
            flank=asked.flank,
        )

    def units(self) -> Iterator[list[Piece]]:
        """Windows of all regions."""
        return self._scoring.units()

    def work(self, piece: Piece) -> int:
        """Tokens that the model reads."""
        return piece.inputs

    def amount(self, piece: Piece) -> float:
        """Bases."""
        return self._scoring.amount(piece)

    def load(self, device: str | None) -> Compute[Piece]:
        """Load the model."""
        model = load_model(self._request.model, self._request.dtype, device=device, adapter=self._request.adapter)
        reading = plan_reading(
            model,
            context_length=self._scorer.context_length,
            stride=self._scorer.stride,
            batch_size=self._request.batch_size,
            acgt_only=self._scorer.acgt_only,
            distribution=self._request.distribution is not None or self._request.hub is not None,
        )
        return at_once(self, partial(read_unit, model, reading=reading))

    def finish(self, results: Results[Piece]) -> tuple[Score, Sequence[Path]]:
        """Write scores and track."""
        asked = self._request
        with (
            open_track(asked.per_base) if asked.per_base else nullcontext() as track,
            _distributions(asked) as distributions,
        ):
            score = self._scoring.score(results, self._source(), track, distributions)
        if asked.scores is not None:
            write_score(score, asked.scores)
        return score, self._request.files


def _distributions(asked: ScoreRequest) -> AbstractContextManager[Track | None]:
    if asked.hub is not None:
        return open_distribution_hub(asked.hub, asked.assembly)
    return open_distribution(asked.distribution) if asked.distribution else nullcontext()
