"""Rows of the data card's tables: letters, splits, sources and what each of these holds."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from corpus.card.data import gc_and_acgt
from corpus.manifest import Split
from corpus.source import SharedKmers, Source
from corpus.splits.rule import SPLITS
from foundation.pages.quantities import exact

CONTENT = ("file", "bases", "GC", "N", "soft-masked", *SPLITS, "left out")
"""The columns of `content_cells`."""


def letter_shares(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Each letter that occurs: its count and share, and the width of its bar in percent of the longest."""
    total, most = sum(counts.values()), max(counts.values(), default=0)
    return [
        {"name": letter, "share": share(count, total), "count": exact(count), "width": round(100 * count / most, 2)}
        for letter, count in counts.items()
        if count
    ]


def split_cells(split: Split, shared: SharedKmers | None) -> Sequence[str]:
    """A split; `shared`: its 32-mers in train, last."""
    return (
        split.name,
        exact(split.documents),
        exact(split.bases),
        exact(split.tokens),
        share(*gc_and_acgt(split.composition)),
        share(split.composition["N"], split.bases),
        share(split.soft_masked, split.bases),
        "" if shared is None else f"{shared.share:.1%}",
    )


def source_cells(source: Source, licences: Mapping[str, str], licence: str) -> Sequence[str]:
    """A source as it was read. `licences`: by pattern of its name, the first fits, else `licence`."""
    name = Path(source.path).name
    licence = next((licences[key] for key in licences if fnmatch(name, key)), licence)
    counts = (exact(source.records), exact(source.bases), exact(source.bytes))
    return (name, licence or "not stated", *counts, source.sha256)


def content_cells(source: Source) -> Sequence[str]:
    """What a source holds, and where its bases went."""
    content = source.content
    assert content is not None
    return (
        Path(source.path).name,
        exact(source.bases),
        share(content.gc, content.gc + content.at),
        share(content.n, source.bases),
        share(content.soft_masked, source.bases),
        *(share(content.splits.get(name, 0), source.bases) for name in SPLITS),
        share(source.bases - sum(content.splits.values()), source.bases),
    )


def share(part: int, whole: int) -> str:
    """In percent, and never 0 or 100 where it is only nearly so."""
    if not whole:
        return "none"
    if 0 < part < whole and (nearly := {"0.00%": "< 0.01%", "100.00%": "> 99.99%"}.get(f"{part / whole:.2%}")):
        return nearly
    return f"{part / whole:.2%}"


def counted(count: int, noun: str) -> str:
    """1 file, 12 files."""
    return f"{exact(count)} {noun}{'' if count == 1 else 's'}"
