"""Labelled tables of the tests: sequences whose class is what they are made of."""

import random
from collections.abc import Sequence
from pathlib import Path

KINDS = {"classify": ["label"], "multilabel": ["at", "long"], "regress": ["gc"], "tokens": ["bonds"], "track": ["gc"]}
"""Columns of each kind of head in `write_table`; of `track` the name of what `write_signal` writes."""


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


def write_signal(folder: Path, *, contig: int = 1200, length: int = 40) -> dict[str, str]:
    """genome.fa, gc.bw, train.bed and valid.bed in `folder`, as settings of a head: 3 at G and C, 1 at A and T.

    Every ninth base has no value. Regions lie apart, on both strands.
    """
    import pyBigWig

    bases = "".join(random.Random(3).choices("ACGT", k=contig))
    (folder / "genome.fa").write_text(f">chr1\n{bases}\n")
    known = [position for position in range(contig) if position % 9]
    with pyBigWig.open(str(folder / "gc.bw"), "w") as file:
        file.addHeader([("chr1", contig)])
        file.addEntries("chr1", known, values=[3.0 if bases[at] in "GC" else 1.0 for at in known], span=1)
    regions = [f"chr1\t{at}\t{at + length}\tr{at}\t0\t{'+-'[at // length % 2]}" for at in range(0, contig, length)]
    (folder / "train.bed").write_text("\n".join(regions[:-6]) + "\n")
    (folder / "valid.bed").write_text("\n".join(regions[-6:]) + "\n")
    return {
        "train": str(folder / "train.bed"), "validation": str(folder / "valid.bed"),
        "genome": str(folder / "genome.fa"), "bigwig": str(folder / "gc.bw"),
    }  # fmt: skip
