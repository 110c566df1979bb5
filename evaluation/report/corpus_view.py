"""The corpus as the report shows it: what it was made from, how it was split, what it is made of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.card.tables import CONTENT, content_cells
from corpus.doubts import doubts, relatives
from corpus.manifest import Manifest, read_manifest
from corpus.source import Source
from foundation.pages.quantities import exact, plural, short

SHOWN_SOURCES = 20


@dataclass(frozen=True, kw_only=True)
class Share:
    """One bar: a letter, its share in words, and the bar's width in percent of the longest."""

    name: str
    share: str
    width: float


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of texts; the first column is a name, the others are numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class CorpusView:
    """One sentence, the base composition, the tables of splits and sources, and the settings."""

    summary: str
    composition: Sequence[Share]
    tables: Sequence[Table]
    facts: Sequence[tuple[str, str]]


def view_corpus(corpus: Path) -> CorpusView:
    """Read the manifest of `corpus`. Errors: `InputError` where there is none."""
    manifest = read_manifest(corpus)
    bases = sum(split.bases for split in manifest.splits)
    documents = sum(split.documents for split in manifest.splits)
    sources = len(manifest.sources)
    more = f", the first {SHOWN_SOURCES} are shown" if sources > SHOWN_SOURCES else ""
    return CorpusView(
        summary=f"{short(bases)} bases in {plural(documents, 'document')} from {plural(sources, 'file')}{more}.",
        composition=_composition(manifest),
        tables=(_splits(manifest), _sources(manifest.sources), *_contents(manifest.sources)),
        facts=_facts(manifest),
    )


def _composition(manifest: Manifest) -> list[Share]:
    counts: Counter[str] = Counter()
    for split in manifest.splits:
        counts.update(split.composition)
    total, most = sum(counts.values()), max(counts.values(), default=0)
    return [
        Share(name=letter, share=f"{count / total:.2%}", width=round(100 * count / most, 2))
        for letter, count in counts.items()
        if count
    ]


def _splits(manifest: Manifest) -> Table:
    rows = [
        (s.name, exact(s.documents), exact(s.bases), exact(s.tokens), _share(s.soft_masked, s.bases))
        for s in manifest.splits
    ]
    return Table(head=("split", "documents", "bases", "tokens", "soft-masked"), rows=rows)


def _sources(sources: Sequence[Source]) -> Table:
    rows = [
        (Path(source.path).name, exact(source.records), exact(source.bases), exact(source.bytes), source.sha256[:12])
        for source in sources[:SHOWN_SOURCES]
    ]
    return Table(head=("source", "records", "bases", "bytes", "SHA-256 begins"), rows=rows)


def _contents(sources: Sequence[Source]) -> Sequence[Table]:
    """What each source holds, where that is known."""
    rows = [content_cells(source) for source in sources[:SHOWN_SOURCES] if source.content]
    return [Table(head=CONTENT, rows=rows)] if rows else []


def _facts(manifest: Manifest) -> list[tuple[str, str]]:
    rule = manifest.settings.split
    held_out = f"{rule.validation_fraction:.2%} validation, {rule.test_fraction:.2%} test, seed {rule.seed}"
    return [
        ("Split", f"{held_out}; by {rule.by}"),
        *(("Relatives", f"{sentence}.") for _, sentence in relatives(manifest)),
        *(("Worth checking", f"{doubt}.") for doubt in doubts(manifest)),
        ("Prepared with", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"
