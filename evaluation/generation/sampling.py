"""How the next base is drawn: the options, checked, and one vectorised draw for a whole batch."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from evaluation.generation.motifs import Motifs, read_motifs
from evaluation.limits import MOST
from foundation.errors import InputError
from foundation.spelling import option
from tokenizer.sequence import Ids, foreign_letters, not_nucleotides

Values = npt.NDArray[np.float64]

TEMPERATURES = (0.001, 1000.0)
"""Between these a temperature differs from the most likely base, and from chance; 0 is the most likely."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Sampling options. A `temperature` of 0 takes the most likely base.

    length
        New bases at most; None: until EOS, or until the model's positions are full. EOS always ends a sequence, and
        is not drawn before `min_length` new bases.
    top_k, top_p, min_p
        Keep the k most likely; the fewest that have p together; those with p of the chance of the most likely, or
        more. 0, 1 and 0 keep all.
    repetition_penalty, repetition_length
        Divides the chance of a base that would repeat a word of so many bases of its own sequence, prompt included.
    forbid, forbid_both_strands
        Motifs in IUPAC letters that never appear in the new bases, nor across the end of the prompt; nor their
        reverse complements.
    gc
        Lowest and highest share of G and C in the new bases; a sample outside is drawn again, `tries` times in all.
    alphabet
        Letters that may come, beside EOS.
    """

    length: int | None = 500
    min_length: int = 0
    samples: int = 1
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    repetition_length: int = 12
    forbid: tuple[str, ...] = ()
    forbid_both_strands: bool = False
    gc: tuple[float, float] | None = None
    tries: int = 20
    alphabet: str = "ACGT"
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = TEMPERATURES
        if self.temperature and not low <= self.temperature <= high:
            problem = f"temperature {self.temperature} is neither 0 nor in [{low}, {high}]"
            raise InputError(
                problem,
                fix="0 takes the most likely base; 1 samples from the model's own probabilities.",
                kind="temperature",
            )
        if not self.alphabet:
            raise InputError("the alphabet is empty", fix=f"Give {option('alphabet', 'ACGT')}.", kind="alphabet")
        for name, holds, range_, fix in self._ranges():
            if not holds:
                value = option(name, getattr(self, name))
                raise InputError(f"{value} is outside {range_}", fix=fix, kind=name.replace("_", "-"))
        self._check_together()

    def _ranges(self) -> tuple[tuple[str, bool, str, str], ...]:
        return (
            ("length", self.length is None or self.length >= 1, "[1, ...]", "Give the number of new bases."),
            ("min_length", self.min_length >= 0, "[0, ...]", "0 lets EOS come at once."),
            ("samples", 1 <= self.samples <= MOST, f"[1, {MOST:,}]", "Give the number of sequences per prompt."),
            ("top_k", self.top_k >= 0, "[0, ...]", "0 keeps all bases."),
            ("top_p", 0 < self.top_p <= 1, "(0, 1]", "1 keeps all bases."),
            ("min_p", 0 <= self.min_p <= 1, "[0, 1]", "0 keeps all bases."),
            ("repetition_penalty", 1 <= self.repetition_penalty < math.inf, "[1, ...]", "1 is no penalty."),
            ("repetition_length", self.repetition_length >= 1, "[1, ...]", "12 is the default."),
            (
                "gc",
                self.gc is None or 0 <= self.gc[0] <= self.gc[1] <= 1,
                "[0, 1]",
                f"Give {option('gc', (0.4, 0.6))}.",
            ),
            ("tries", self.tries >= 1, "[1, ...]", "20 is the default."),
            ("seed", self.seed >= 0, "[0, ...]", "Any whole number will do."),
        )

    def _check_together(self) -> None:
        """Refuse options that contradict one another."""
        if self.length is not None and self.min_length > self.length:
            problem = f"{option('min_length', self.min_length)} is more than {option('length', self.length)}"
            raise InputError(problem, fix=f"Raise {option('length')}.", kind="min-length")
        drawn = {
            "samples": self.samples > 1, "top_k": self.top_k > 0, "top_p": self.top_p < 1, "min_p": self.min_p > 0,
            "gc": self.gc is not None,
        }  # fmt: skip
        if not self.temperature and any(drawn.values()):
            name = option(next(name for name, given in drawn.items() if given))
            problem = f"temperature 0 always takes the most likely base, and {name} has no effect without sampling"
            raise InputError(problem, fix=f"Leave out {name}, or raise {option('temperature')}.", kind="greedy")
        share = _possible_gc(self.letters)
        if self.gc is not None and not (self.gc[0] <= share[1] and share[0] <= self.gc[1]):
            problem = f"no sequence over the alphabet {self.alphabet!r} has a GC share in {self.gc}"
            raise InputError(problem, fix=f"Change {option('alphabet')} or {option('gc')}.", kind="gc-alphabet")
        self.motifs.check_alphabet(self.letters)

    @cached_property
    def motifs(self) -> Motifs:
        """What is forbidden. Errors: `InputError`."""
        return read_motifs(self.forbid, both_strands=self.forbid_both_strands)

    @cached_property
    def letters(self) -> bytes:
        """The alphabet as ids. Errors: `InputError`."""
        return check_alphabet(self.alphabet)

    @property
    def rejects(self) -> bool:
        """Whether a finished sample may be drawn again."""
        return self.gc is not None

    def accepts(self, ids: Ids) -> bool:
        """Whether a finished sample satisfies the options."""
        if self.gc is None:
            return True
        share = gc_share(ids)
        return self.gc[0] <= share <= self.gc[1]  # of nothing it is NaN, which is in no range


def gc_share(ids: Ids) -> float:
    """G and C among the A, C, G and T of `ids`, in either case; NaN where there are none."""
    counts = np.bincount(ids & 0xDF, minlength=256)  # upper case
    strong, weak = int(counts[71] + counts[67]), int(counts[65] + counts[84])
    return strong / (strong + weak) if strong + weak else math.nan


def _possible_gc(alphabet: bytes) -> tuple[float, float]:
    """Lowest and highest GC share of a sequence over `alphabet`."""
    letters = alphabet.upper()
    strong, weak = any(one in b"GC" for one in letters), any(one in b"AT" for one in letters)
    return (0.0 if weak else 1.0, 1.0 if strong else 0.0)


def check_alphabet(alphabet: str) -> bytes:
    """The letters of an option, upper case, as models have learnt them; they read prompts and motifs so too.

    Errors: `InputError` for what is not a nucleotide, and for U.
    """
    letters, fix = alphabet.upper().encode("utf-8", "replace"), f"Give {option('alphabet', 'ACGT')}"
    if not_nucleotides(letters):
        problem = f"the alphabet has {foreign_letters(alphabet)!r}, which is not a nucleotide"
        raise InputError(problem, fix=f"{fix}.", kind="alphabet")
    if b"U" in letters:
        fix = f"{fix}: models learn RNA written with T."
        raise InputError(f"the alphabet {alphabet!r} has U", fix=fix, kind="alphabet")
    return letters


def parse_gc(text: str) -> tuple[float, float]:
    """`0.4-0.6` as two shares. Errors: `InputError`."""
    low, dash, high = text.partition("-")
    try:
        if not dash:
            raise ValueError(text)
        return float(low), float(high)
    except ValueError:
        raise InputError(f"gc {text!r} is not a range", fix=f"Give {option('gc', (0.4, 0.6))}.", kind="gc") from None


def choose(logs: Values, sampling: Sampling, draws: Values) -> npt.NDArray[np.int64]:
    """Index of the candidate of each row, [B]; `logs` are [B, candidates], `draws` uniform in [0, 1), [B].

    Temperature first, then `top_k`, then `top_p` of what is left, then `min_p`. Minus infinity is never chosen.
    """
    if not sampling.temperature:
        likeliest: npt.NDArray[np.int64] = np.argmax(logs, axis=1)
        return likeliest
    chances = np.exp((logs - logs.max(axis=1, keepdims=True)) / sampling.temperature)
    if not sampling.top_k and sampling.top_p == 1 and not sampling.min_p:
        return _sample(chances, draws)
    order = np.argsort(-chances, axis=1, kind="stable")
    ranked = np.take_along_axis(chances, order, axis=1)
    if sampling.top_k:
        ranked[:, sampling.top_k :] = 0
    ranked /= ranked.sum(axis=1, keepdims=True)
    if sampling.top_p < 1:
        ranked[ranked.cumsum(axis=1) - ranked >= sampling.top_p] = 0  # what is there before it is enough
    if sampling.min_p:
        ranked[ranked < sampling.min_p * ranked[:, :1]] = 0
    chosen: npt.NDArray[np.int64] = np.take_along_axis(order, _sample(ranked, draws)[:, None], axis=1)[:, 0]
    return chosen


def _sample(chances: Values, draws: Values) -> npt.NDArray[np.int64]:
    """The place of each draw among the `chances` of its row, which need not add up to 1."""
    cumulative = chances.cumsum(axis=1)
    place: npt.NDArray[np.int64] = (draws[:, None] * cumulative[:, -1:] >= cumulative).sum(axis=1)
    return place
