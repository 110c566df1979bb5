"""Likelihoods of sequence: a table, and the values of each base."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evaluation.likelihood.likelihood import Logs, plan_reading
from evaluation.likelihood.regions import Region
from evaluation.likelihood.scoring import Source, score_regions
from foundation.progress import called_from_python
from genomic_llama.api.door import public
from genomic_llama.api.models import check_predicts_bases
from genomic_llama.api.sequences import read_sequences

if TYPE_CHECKING:
    from pandas import DataFrame
    from transformers import PreTrainedModel

    from evaluation.likelihood.score import Score
    from genomic_llama.api.sequences import Sequences


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The result of `score`.

    - `table`: a row for each sequence, with `name`, `length` in bases, `bases_scored`, `nats` (their summed loss),
      `bits_per_base` and `perplexity`.
    - `forward`, `reverse`: for each sequence, ln P of every base given those before it on that strand: float32,
      shape [length], in the order of the sequence, NaN where there is none; empty lists for a strand that was not read.
    - `forward_distributions`, `reverse_distributions`: with `distribution=True`, what the model expects at each base:
      float32, shape [length, 6], the probabilities of A, C, G, T and EOS, and the entropy of all tokens in bits; NaN at
      the first base that is read. Letters are those of the sequence on either strand.
    - `bits_per_base`, `perplexity`: of all bases together, weighted by bases and not by sequences.
    """

    table: "DataFrame"
    forward: list[Logs] = field(repr=False)
    reverse: list[Logs] = field(repr=False)
    forward_distributions: list[Logs] = field(repr=False)
    reverse_distributions: list[Logs] = field(repr=False)
    bits_per_base: float
    perplexity: float


@public
def score(
    model: "PreTrainedModel",
    sequences: "Sequences",
    *,
    strand: str = "forward",
    acgt_only: bool = False,
    distribution: bool = False,
    context_length: int | None = None,
    stride: int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Scores:
    """Score sequences under a model: the probability of each base given those before it.

    - `sequences`: text, files, records or tables, see [Sequences](#sequences).
    - `strand`: `"forward"`, `"reverse"` (read the reverse complement) or `"both"`.
    - `acgt_only`: renormalise over A, C, G and T; by default all 256 tokens share the probability.
    - `distribution`: also keep the probability of each letter at each base.
    - `context_length`: window length in bases, by default the model's positions. `stride`: step between the windows of
      a longer sequence, by default half of `context_length`. Each base is scored once.
    - `batch_size`: sequences per forward pass, by default as many as memory allows. Values differ between batch sizes
      only by rounding, about 1e-6 nats per base in float32.
    - `progress`: show a progress bar; in Jupyter it is a widget.

    The first base of a sequence has no score, since no base precedes it. N and other IUPAC codes have none either.

    Raises `InputError` for invalid sequence, for a context beyond the model's positions, and if no base can be scored.
    """
    with called_from_python(progress=progress):
        check_predicts_bases(model)
        reading = plan_reading(
            model, context_length=context_length, stride=stride, batch_size=batch_size, acgt_only=acgt_only,
            distribution=distribution,
        )  # fmt: skip
        bases, expected = _Bases(), _Bases()
        source = Source(model="", source="sequences")
        found = score_regions(
            model, read_sequences(sequences), reading, source, strand=strand, track=bases,
            distribution=expected if distribution else None,
        )  # fmt: skip
        return Scores(
            table=_table(found), forward=bases.forward, reverse=bases.reverse,
            forward_distributions=expected.forward, reverse_distributions=expected.reverse,
            bits_per_base=found.bits_per_base, perplexity=found.perplexity,
        )  # fmt: skip


@dataclass
class _Bases:
    """A track in memory."""

    forward: list[Logs] = field(default_factory=list)
    reverse: list[Logs] = field(default_factory=list)

    def add(self, region: Region, forward: Logs | None, reverse: Logs | None) -> None:
        del region
        for kept, logs in ((self.forward, forward), (self.reverse, reverse)):
            if logs is not None:
                kept.append(logs)


def _table(found: "Score") -> "DataFrame":
    from pandas import DataFrame

    rows = [
        (one.name, one.length, one.bases_scored, one.nats, one.bits_per_base, 2**one.bits_per_base)
        for one in found.records
    ]
    return DataFrame(rows, columns=["name", "length", "bases_scored", "nats", "bits_per_base", "perplexity"])
