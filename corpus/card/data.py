"""What a data card shows of a corpus, taken from its manifest."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from corpus.card.lengths import Lengths
from corpus.doubts import doubts, relatives
from corpus.manifest import Manifest, Split
from corpus.source import SharedKmers, Source
from foundation.typed import to_json

Histogram = Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class CardData:
    """All that a card shows of a corpus.

    Parameters
    ----------
    splits, sources
        In the manifest's order.
    composition : letter to bases
    lengths : bin to documents
        Bin k is of lengths from 2^(k/4) to 2^((k+1)/4) bases.
    exact_lengths : Lengths, optional
        Where the indices are there to be read.
    gc : percent to documents
        GC of a document's A, C, G and T, rounded down.
    excluded : (reason, records)
        Most first.
    settings, versions : (name, value)
    doubts : sentences
        On the sources and the splits.
    shared : share of 32-mers by split
        Of a held-out split, those that train has too; the sample's size with it.
    """

    splits: tuple[Split, ...]
    sources: tuple[Source, ...]
    composition: Mapping[str, int]
    lengths: Histogram
    exact_lengths: Lengths | None
    gc: Histogram
    excluded: tuple[tuple[str, int], ...]
    settings: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]
    shared: Mapping[str, SharedKmers]

    @property
    def documents(self) -> int:
        return sum(split.documents for split in self.splits)

    @property
    def bases(self) -> int:
        return sum(split.bases for split in self.splits)

    @property
    def tokens(self) -> int:
        return sum(split.tokens for split in self.splits)

    @property
    def markup(self) -> int:
        return sum(split.markup for split in self.splits)

    @property
    def soft_masked(self) -> int:
        return sum(split.soft_masked for split in self.splits)


def card_data(manifest: Manifest, exact_lengths: Lengths | None = None) -> CardData:
    """The view of a manifest, and of the lengths that its indices hold."""
    return CardData(
        splits=manifest.splits,
        sources=manifest.sources,
        composition=_sum(split.composition for split in manifest.splits),
        lengths=_histogram(split.length_histogram for split in manifest.splits),
        exact_lengths=exact_lengths,
        gc=_histogram(split.gc_histogram for split in manifest.splits),
        excluded=tuple(Counter(manifest.excluded).most_common()),
        settings=tuple((key.replace("_", " "), _text(value)) for key, value in to_json(manifest.settings).items()),
        versions=tuple(manifest.versions.items()),
        doubts=(*doubts(manifest), *(text for doubtful, text in relatives(manifest) if doubtful)),
        shared=manifest.resemblance.splits if manifest.resemblance else {},
    )


def gc_and_acgt(composition: Mapping[str, int]) -> tuple[int, int]:
    """How many bases are G or C, and how many A, C, G or T."""
    gc = composition["G"] + composition["C"]
    return gc, gc + composition["A"] + composition["T"]


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)


def _histogram(counts: Iterable[Mapping[str, int]]) -> dict[int, int]:
    return {int(key): count for key, count in sorted(_sum(counts).items(), key=lambda row: int(row[0])) if count}


def _text(value: Any) -> str:
    """A setting in words: nested ones in a line, empty ones as none."""
    if isinstance(value, Mapping):
        value = [f"{key} {_text(item)}" for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None or value == "" else str(value)
