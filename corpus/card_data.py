"""What a data card shows, typed, and the one place that takes it from a manifest."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Histogram = Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class SplitRow:
    """One split, in counts."""

    name: str
    documents: int
    bases: int
    tokens: int
    gc_bases: int
    acgt_bases: int
    n_bases: int
    soft_masked: int


@dataclass(frozen=True, kw_only=True)
class SourceRow:
    """One source file."""

    path: str
    records: int
    bases: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class CardData:
    """All that a card shows of a corpus.

    Parameters
    ----------
    splits, sources
        In the manifest's order.
    composition : letter to bases
    lengths : bin to documents
        Bin k is of lengths from 2^(k/4) to 2^((k+1)/4) bases. Empty where the manifest has none.
    gc : percent to documents
        GC of a document's A, C, G and T. Empty where the manifest has none.
    excluded : (reason, records)
        Most first.
    settings, versions : (name, value)
    created : ISO 8601
    """

    splits: tuple[SplitRow, ...]
    sources: tuple[SourceRow, ...]
    composition: Mapping[str, int]
    lengths: Histogram
    gc: Histogram
    excluded: tuple[tuple[str, int], ...]
    settings: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    created: str

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
    def soft_masked(self) -> int:
        return sum(split.soft_masked for split in self.splits)

    @property
    def n_bases(self) -> int:
        return sum(split.n_bases for split in self.splits)

    @property
    def gc_bases(self) -> int:
        return sum(split.gc_bases for split in self.splits)

    @property
    def acgt_bases(self) -> int:
        return sum(split.acgt_bases for split in self.splits)


def card_data(manifest: Mapping[str, Any]) -> CardData:
    """The view of a manifest in its JSON form; histograms and exclusions may be missing from it."""
    splits, sources = manifest["splits"], manifest["sources"]
    excluded = Counter(manifest.get("excluded", {}))
    return CardData(
        splits=tuple(_split(split) for split in splits),
        sources=tuple(SourceRow(**{key: row[key] for key in SourceRow.__dataclass_fields__}) for row in sources),
        composition=_sum(split["composition"] for split in splits),
        lengths=_histogram(split.get("length_histogram", {}) for split in splits),
        gc=_histogram(split.get("gc_histogram", {}) for split in splits),
        excluded=tuple(excluded.most_common()),
        settings=tuple((key.replace("_", " "), _text(value)) for key, value in manifest["settings"].items()),
        versions=tuple(manifest["versions"].items()),
        created=manifest["created"],
    )


def _split(split: Mapping[str, Any]) -> SplitRow:
    letters = split["composition"]
    return SplitRow(
        name=split["name"],
        documents=split["documents"],
        bases=split["bases"],
        tokens=split["tokens"],
        gc_bases=letters["G"] + letters["C"],
        acgt_bases=sum(letters[letter] for letter in "ACGT"),
        n_bases=split.get("n_bases", letters["N"]),
        soft_masked=split["soft_masked"],
    )


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
