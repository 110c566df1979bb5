"""The report's headline tiles: what the run achieved, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.baselines.baseline import TRAINING_SPLIT, UNIFORM_BITS, Baselines
from evaluation.likelihood.score import Score
from evaluation.report.run_log import RunLog
from evaluation.report.verdict import Verdict, against_baseline, gap_closed
from foundation.pages.quantities import bits, duration, exact, plural, short


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One tile. `mood` is a class of the page: good, bad, or empty."""

    label: str
    value: str
    note: str
    mood: str = ""


def headline(score: Score, baselines: Baselines, floor: float | None) -> Sequence[Tile]:
    """The likelihood, compared with k-mer counting and, if known, with the entropy rate."""
    held_out = Tile(
        label=f"{set_name(score)} bits per base",
        value=bits(score.bits_per_base),
        note=f"{exact(score.bases_scored)} bases of {plural(len(score.records), 'record')}, "
        f"perplexity {score.perplexity:.3f}; a uniform guess costs {UNIFORM_BITS:g}",
    )
    tiles = [held_out, _tile("Against Markov chains", against_baseline(score.bits_per_base, baselines.best))]
    if floor is not None:
        tiles.append(_tile("Gap to the entropy floor, closed", gap_closed(score.bits_per_base, baselines.best, floor)))
    return tiles


def costs(log: RunLog, score: Score) -> Sequence[Tile]:
    """Size, steps, time and speed."""
    replaced = f"; {exact(log.replaced)} repeated after a resume" if log.replaced else ""
    return (
        Tile(label="Parameters", value=short(score.parameters), note=exact(score.parameters)),
        Tile(label="Steps", value=exact(log.steps[-1].step), note=f"{short(log.tokens)} tokens{replaced}"),
        Tile(label="Training time", value=duration(log.seconds), note="sum of the steps, without start-up"),
        Tile(
            label="Training speed", value=short(log.tokens_per_second), note="tokens per second, median over the steps"
        ),
    )


def set_name(score: Score) -> str:
    """What the scored records are: held out, unless they are of the split that the model was trained on."""
    return "Training-split" if score.split == TRAINING_SPLIT else "Held-out"


def _tile(label: str, verdict: Verdict) -> Tile:
    mood = "" if verdict.good is None else "good" if verdict.good else "bad"
    return Tile(label=label, value=verdict.value, note=verdict.sentence, mood=mood)
