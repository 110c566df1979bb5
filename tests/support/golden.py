"""Loss curves kept as text in `tests/golden`, a step a line; its README says how to rewrite them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
ACROSS_MACHINES = 1e-4
"""Relative. Instruction sets differ in the last bits of sums, and training makes them more."""


def check_golden(recipe: str, losses: Sequence[float]) -> None:
    """Compare the losses of the first steps of a recipe with its file; with WRITE_GOLDEN=1 write the file."""
    path = GOLDEN / f"{recipe}.txt"
    if os.environ.get("WRITE_GOLDEN") == "1":
        path.write_text("".join(f"{step} {loss:.6f}\n" for step, loss in enumerate(losses, start=1)), encoding="utf-8")
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    assert [int(step) for step, _ in rows] == list(range(1, len(losses) + 1))
    assert losses == pytest.approx([float(loss) for _, loss in rows], rel=ACROSS_MACHINES, abs=0)
