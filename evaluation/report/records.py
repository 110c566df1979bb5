"""The records of a score in the report: of each, what the model needs and what the best Markov chain does."""

from collections.abc import Sequence

from evaluation.baselines.baseline import Baselines, RecordBits
from evaluation.likelihood.score import Score
from evaluation.report.tiles import count_records, set_name
from foundation.pages.quantities import bits, exact

SHOWN_RECORDS = 30


def record_rows(records: Sequence[RecordBits]) -> list[dict[str, str]]:
    """Those with the most bases first."""
    return [
        {
            "name": record.name,
            "scored": exact(record.bases_scored),
            "bits": bits(record.bits_per_base),
            "baseline": "" if record.baseline is None else bits(record.baseline),
            "difference": "" if record.baseline is None else _difference(record.bits_per_base - record.baseline),
            "mood": "bad" if record.baseline is not None and record.bits_per_base >= record.baseline else "",
        }
        for record in sorted(records, key=lambda one: -one.bases_scored)[:SHOWN_RECORDS]
    ]


def records_note(score: Score, baselines: Baselines) -> str:
    """Which of the records are shown."""
    total = len(baselines.records)
    shown = f"{count_records(total)}." if total <= SHOWN_RECORDS else (
        f"The {SHOWN_RECORDS} with the most bases, of {count_records(total)}; the score file has all documents."
    )  # fmt: skip
    if len(score.records) > total:
        shown += " Documents of one record are taken together, and what has no scored base is left out."
    chain = f" The chain is that of order {baselines.best.order}; red where the model does not beat it."
    held_out = "" if set_name(score) == "Held-out" else " They are of the training split: not held out."
    return shown + chain + held_out


def _difference(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
