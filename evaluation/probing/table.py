"""The table of probes: as text, and as a JSON file."""

import json
from collections.abc import Sequence
from pathlib import Path

from evaluation.probing.probe import Measured
from foundation.atomic import atomic_file
from foundation.typed import to_json

FORMAT = "genomic-llama probe 1"


def format_table(rows: Sequence[Measured]) -> str:
    """A line a head, mean and standard deviation over the seeds."""
    head = ("task", "features", "head", "MCC", "AUROC")
    lines = [
        (r.task, r.features, r.head, f"{r.mcc:.3f} ± {r.mcc_sd:.3f}", f"{r.auroc:.3f} ± {r.auroc_sd:.3f}") for r in rows
    ]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in [head, *lines]
    )


def write_table(rows: Sequence[Measured], path: Path, *, model: str) -> None:
    """Write the rows as JSON, whole or not at all."""
    with atomic_file(path) as temporary:
        content = {"format": FORMAT, "model": model, "probes": [to_json(row) for row in rows]}
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
