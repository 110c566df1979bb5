"""The result of scoring a model on sequence, and its file, `score.json`."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from evaluation.digest import Identity
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.typed import from_json, to_json
from foundation.untrusted import read_json

FORMAT = "genomic-llama score 4"


@dataclass(frozen=True, kw_only=True)
class RecordScore:
    """One record. `length` in bases; `bases_scored` were A, C, G or T targets; `nats` is their summed loss.

    Where both strands were read, each counts: `bases_scored` is up to twice `length`.
    """

    name: str
    length: int
    bases_scored: int
    nats: float

    @property
    def bits_per_base(self) -> float:
        """Mean loss in bits; NaN where no base was scored."""
        return self.nats / math.log(2) / self.bases_scored if self.bases_scored else math.nan


@dataclass(frozen=True, kw_only=True)
class Score:
    """A model's likelihood of a set of records.

    `model` is its directory as it was given, with that of an adapter; `identity` what they are.
    `source` is the FASTA file, with the BED file of `regions` in it and `flank` bases of context before each, or the
    corpus directory with its `split`. `strand` is forward, reverse or both; `alphabet` is all (256 ids share the
    probability) or acgt. `tokens` is what the model was run on, with overlaps and without padding.
    """

    model: str
    identity: Identity
    source: str
    split: str | None
    regions: str | None
    flank: int
    strand: str
    alphabet: str
    parameters: int
    dtype: str
    context_length: int
    stride: int
    tokens: int
    records: tuple[RecordScore, ...]

    @property
    def bases_scored(self) -> int:
        """A, C, G and T targets of all records."""
        return sum(record.bases_scored for record in self.records)

    @property
    def nats(self) -> float:
        """Summed natural-log loss of all scored bases."""
        return math.fsum(record.nats for record in self.records)

    @property
    def bits_per_base(self) -> float:
        """Token-weighted: all nats over all scored bases, not the mean of the records' means."""
        return self.nats / math.log(2) / self.bases_scored if self.bases_scored else math.nan

    @property
    def perplexity(self) -> float:
        """2 to the bits per base: the number of equally likely letters that the model is left with."""
        return float(2**self.bits_per_base)


def write_score(score: Score, path: Path) -> None:
    """Write `score.json`, whole or not at all. Its `totals` are for people: reading computes them again."""
    totals = {"bases_scored": score.bases_scored, "bits_per_base": score.bits_per_base, "perplexity": score.perplexity}
    with atomic_file(path) as temporary:
        content = {"format": FORMAT, "totals": totals, "score": to_json(score)}
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")


def read_score(path: Path) -> Score:
    """Read `score.json`. Errors: `InputError` for a file that is missing, not JSON, of another form, or impossible."""
    data = read_json(path)
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        older = isinstance(found, str) and found.startswith(FORMAT.rstrip("0123456789"))
        problem = f"has another version ({found!r}, not {FORMAT!r})" if older else f"is not a score file ({FORMAT!r})"
        raise InputError(problem, where=path, fix=_FIX, kind="score-version" if older else "not-a-score")
    score = from_json(Score, data.get("score"), str(path))
    if not (score.bases_scored > 0 and math.isfinite(score.nats) and score.nats >= 0):
        raise InputError(
            "has no scored base, or a loss that is not a positive number", where=path, fix=_FIX, kind="score-impossible"
        )
    return score


_FIX = "Write it with `genomic-llama score`."
