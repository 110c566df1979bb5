"""The records of a score in the report: of each, what the model needs and what the best Markov chain does."""

from collections.abc import Sequence
from typing import Any

from evaluation.baselines.baseline import Baselines, RecordBits
from evaluation.likelihood.score import Score
from evaluation.report.tiles import set_name
from foundation.pages.quantities import bits, exact, plural

SHOWN_RECORDS = 30


def record_tables(baselines: Baselines) -> list[dict[str, Any]]:
    """A table of the source files, where there are two or more, and one of the records, if these are others."""
    files, records = baselines.sources, baselines.records
    tables = [{"one": "source file", "rows": _rows(files)}] if len(files) > 1 else []
    if len(files) < 2 or len(records) != len(files):
        tables.append({"one": "record", "rows": _rows(records)})
    return tables


def _rows(records: Sequence[RecordBits]) -> list[dict[str, str]]:
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
    """Which of the records are shown, and beside what."""
    total = len(baselines.records)
    notes = [f"{plural(total, 'record')}."]
    if total > SHOWN_RECORDS:
        notes = [f"The {SHOWN_RECORDS} with the most bases, of {plural(total, 'record')}."]
    if len(score.records) > total:
        notes.append("Documents of one record are taken together; what has no scored base is left out.")
    notes.append(f"The Markov chain has order {baselines.best.order}; red where the model does not beat it.")
    if set_name(score) != "Held-out":
        notes.append("They are of the training split: not held out.")
    return " ".join(notes)


def _difference(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
