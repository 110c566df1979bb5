"""What the numbers do and do not say, in words: against the best Markov chain, and towards the entropy floor."""

from dataclasses import dataclass

from evaluation.baselines.markov import MarkovScore
from foundation.pages.quantities import bits

EQUAL_BITS = 0.0005
"""Bits per base that the report does not print: differences below it are called none."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`value` is the headline, `sentence` what it means; `good` is None where it is neither good nor bad."""

    value: str
    sentence: str
    good: bool | None


def against_baseline(model_bits: float, best: MarkovScore) -> Verdict:
    """The model against the best Markov chain."""
    difference = best.bits_per_base - model_bits
    chain = f"the best Markov chain, order {best.order} ({bits(best.bits_per_base)} bits per base)"
    if abs(difference) < EQUAL_BITS:
        return Verdict(value="±0.000", sentence=f"bits per base: no better and no worse than {chain}", good=None)
    if difference > 0:
        return Verdict(value=f"\N{MINUS SIGN}{bits(difference)}", sentence=f"bits per base: beats {chain}", good=True)
    return Verdict(value=f"+{bits(-difference)}", sentence=f"bits per base: does not beat {chain}", good=False)


def answer(model_bits: float, best: MarkovScore) -> str:
    """The report in one sentence."""
    chain = f"the best Markov chain (order {best.order}, {bits(best.bits_per_base)})"
    difference = best.bits_per_base - model_bits
    if abs(difference) < EQUAL_BITS:
        what = f"is as good as {chain}"
    else:
        what = f"{'beats' if difference > 0 else 'does not beat'} {chain}"
    return f"With {bits(model_bits)} bits per base on the scored sequence, the model {what}."


def gap_closed(model_bits: float, best: MarkovScore, floor: float) -> Verdict:
    """How much of the way from the best Markov chain to the source's entropy the model has gone."""
    gap = best.bits_per_base - floor
    known = f"the entropy floor of {bits(floor)} bits per base"
    if gap < EQUAL_BITS:
        return Verdict(value="no gap", sentence=f"the best Markov chain is already at {known}", good=None)
    closed = (best.bits_per_base - model_bits) / gap
    if model_bits < floor - EQUAL_BITS:
        below = bits(floor - model_bits)
        sentence = f"below {known} by {below}: chance on a small set, or not the entropy of this sequence"
        return Verdict(value="below floor", sentence=sentence, good=False)
    if closed < 0:
        return Verdict(value="0%", sentence=f"none of the gap between the best Markov chain and {known}", good=False)
    sentence = f"of the gap between the best Markov chain and {known}"
    return Verdict(value=f"{min(closed, 1):.1%}", sentence=sentence, good=True if closed >= 0.005 else None)
