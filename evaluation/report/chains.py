"""What the report says of the Markov chains: a row of each order, and what they were fitted on."""

from typing import Any

from evaluation.baselines.baseline import UNIFORM_BITS, Baselines
from evaluation.likelihood.score import Score
from foundation.pages.quantities import bits, exact

LONG = 9
"""The shortest order of which nearly each context of a genome of a million bases is seen once."""
_TELLS = 0.01  # bits per base that long orders save over short ones


def markov_note(baselines: Baselines) -> str:
    """What the chains were fitted on, which orders are left out, and what it means where long ones are the best."""
    first = "the first " if baselines.capped else ""
    notes = [
        f"Fitted on {first}{exact(baselines.training_bases)} bases of the training split, one strand, and scored on "
        "the same bases as the model. The best order is chosen on these bases too, which favours the chains.",
        baselines.left_out,
    ]
    short = min(one.bits_per_base for one in baselines.scores if one.order < LONG)
    if (saved := short - baselines.best.bits_per_base) > _TELLS:
        notes.append(
            f"Order {baselines.best.order} needs {bits(saved)} bits per base less than any order below {LONG}: "
            "stretches of this sequence are in the training split too (repeats, or relatives on both sides of the "
            "split), or its grammar reaches as far back."
        )
    return " ".join(filter(None, notes))


def baseline_rows(score: Score, baselines: Baselines, floor: float | None) -> list[dict[str, Any]]:
    """The uniform guess, the chains, the entropy floor where it is known, and the model."""
    rows = [("uniform guess", "1", UNIFORM_BITS)]
    rows += [(f"Markov, order {m.order}", exact(4**m.order), m.bits_per_base) for m in baselines.scores]
    rows += [] if floor is None else [("entropy floor", "", floor)]
    model = score.bits_per_base
    table = [
        {
            "name": name,
            "contexts": contexts,
            "bits": f"{value:.4f}",
            "perplexity": f"{2**value:.3f}",
            "difference": f"{model - value:+.4f}".replace("-", "\N{MINUS SIGN}"),
            "is_model": False,
        }
        for name, contexts, value in rows
    ]
    mine = {"name": "model", "contexts": f"up to {exact(score.context_length)} bases", "bits": f"{model:.4f}"}
    return [*table, {**mine, "perplexity": f"{score.perplexity:.3f}", "difference": "", "is_model": True}]
