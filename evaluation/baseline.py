"""The Markov chains on exactly the records of a score: fitted on the corpus's training split, checked against it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conduct.errors import InputError
from evaluation.documents import read_corpus_split, read_fasta_documents
from evaluation.kmers import count_kmers
from evaluation.markov import MAX_TRAINING_BASES, MarkovScore, best_markov, score_markov
from evaluation.score import Score
from tokenizer.sequence import Ids

TRAINING_SPLIT = "train"


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

    Errors: `InputError` where those records are gone or are not the ones that were scored.
    """
    training = count_kmers((ids for _, ids in read_corpus_split(corpus, TRAINING_SPLIT)), max_bases=max_bases)
    held_out = count_kmers(_scored_sequences(corpus, score))
    if held_out.targets != score.bases_scored:
        raise InputError(f"{held_out.targets:,} bases to score, {score.bases_scored:,} in the score", fix=_FIX)
    return Baselines(scores=score_markov(training, held_out), training_bases=training.bases, capped=training.capped)


def _scored_sequences(corpus: Path, score: Score) -> Iterator[Ids]:
    """The ids of each record of `score`, in its order."""
    if score.split is not None:
        where, documents = f"{corpus}, split {score.split}", read_corpus_split(corpus, score.split)
    else:
        where, documents = score.source, read_fasta_documents(Path(score.source))
    for number, record in enumerate(score.records, start=1):
        name, ids = next(documents, ("", None))
        if ids is None or (name, len(ids)) != (record.name, record.length):
            problem = f"record {number} is not the {record.name!r} of {record.length:,} bases that was scored"
            raise InputError(problem, where=where, fix=_FIX)
        yield ids


_FIX = "Score the model again, on the corpus that the report is for."
