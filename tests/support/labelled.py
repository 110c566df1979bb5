"""Labelled tables of the tests: sequences whose class is what they are made of."""

import random
from collections.abc import Sequence
from pathlib import Path

KINDS = {"classify": ["label"], "multilabel": ["at", "long"], "regress": ["gc"], "tokens": ["bonds"]}
"""Columns of each kind of head in `write_table`."""


def write_table(path: Path, *, rows: int = 48, seed: int = 1, longest: int = 60) -> Path:
    """A CSV file: `label` at or gc, `at` and `long` 0 or 1, `gc` the share of G and C, `split`, `bonds` per base."""
    draw = random.Random(seed)
    lines = ["sequence,label,at,long,gc,split,bonds"]
    for number in range(rows):
        length, at = draw.randint(10, longest), number % 2
        sequence = "".join(draw.choices("ACGT", weights=(4, 1, 1, 4) if at else (1, 3, 3, 1), k=length))
        gc = sum(base in "GC" for base in sequence) / length
        bonds = "".join("3" if base in "GC" else "2" for base in sequence)
        split = {4: "validation", 5: "test"}.get(number // 2 % 6, "train")
        lines.append(f"{sequence},{'at' if at else 'gc'},{at},{int(length > longest // 2)},{gc:.4f},{split},{bonds}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_rows(path: Path, rows: Sequence[tuple[str, str]], names: str = "sequence,label") -> Path:
    """A CSV file of given rows."""
    path.write_text(names + "\n" + "".join(f"{sequence},{label}\n" for sequence, label in rows))
    return path
