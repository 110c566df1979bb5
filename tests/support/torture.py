"""How often a test hurts what it tests: a few times in `make test`, many times in `make torture`."""

import os
from dataclasses import dataclass, field

LONG = bool(os.environ.get("TORTURE"))
"""Set by `make torture`. Its value is a factor: TORTURE=0.1 for a tenth of the cases."""


def times(short: int, long: int) -> int:
    """How many cases this run tries."""
    return max(1, round(long * float(os.environ["TORTURE"]))) if LONG else short


@dataclass
class Tally:
    """What a test tried, for the table that `make torture` writes."""

    promise: str
    cases: int = 0
    losses: int = 0
    notes: dict[str, int] = field(default_factory=dict)

    def count(self, note: str) -> None:
        """Count one case under a heading."""
        self.cases += 1
        self.notes[note] = self.notes.get(note, 0) + 1

    def row(self, seconds: float) -> str:
        """A row of the table."""
        notes = ", ".join(f"{note}: {count:,}" for note, count in sorted(self.notes.items()))
        return f"| {self.promise} | {self.cases:,} | {notes} | {self.losses} | {seconds:,.0f} |"
