"""A corpus's data card, as a page and as Markdown: what it holds, where that is from, what was left out.

Made from `manifest.json` and the indices beside it, and from what its maker says of licences and purpose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from corpus.card.data import CardData, card_data, gc_and_acgt
from corpus.card.figures import gc_figure, length_figure
from corpus.card.histogram import gc_summary, length_summary
from corpus.card.lengths import read_lengths
from corpus.manifest import Source, Split, read_manifest
from foundation.pages.page import render_page, render_text, write_texts
from foundation.pages.quantities import exact, short
from foundation.typed import from_settings, to_json
from foundation.untrusted import read_yaml

HTML, MARKDOWN = "datacard.html", "DATACARD.md"
SHOWN_SOURCES = 100

_HERE = Path(__file__).parent
_FIX = "Give title, description and licence as text, and source_licences as a licence per pattern."


@dataclass(frozen=True, kw_only=True)
class CardText:
    """What a manifest cannot know. `source_licences`: licence by pattern of the source's file name, the first fits."""

    title: str = ""
    description: str = ""
    licence: str = ""
    source_licences: dict[str, str] = field(default_factory=dict)


def read_card_text(path: Path) -> CardText:
    """The text in a YAML file with keys of `CardText`, each optional. Errors: `InputError` naming the key."""
    return from_settings(CardText, read_yaml(path) or {}, str(path), fix=_FIX)


def write_card(corpus: Path, out: Path, text: CardText | None = None) -> tuple[Path, Path]:
    """Write `datacard.html` and `DATACARD.md` about `corpus` into the folder `out`; returns their paths.

    Errors: `InputError` where there is no corpus.
    """
    manifest = read_manifest(corpus)
    data = card_data(manifest, read_lengths(corpus, manifest))
    return write_card_of(data, text or CardText(), Path(out), name=Path(corpus).resolve().name)


def write_card_of(data: CardData, text: CardText, out: Path, *, name: str) -> tuple[Path, Path]:
    """As `write_card`, of what is known of a corpus; `name` is its title where `text` has none."""
    from markupsafe import Markup

    values: dict[str, Any] = {
        "title": text.title or name,
        "text": text,
        "answer": _answer(data),
        "subtitle": _subtitle(data),
        "tiles": {"large": _large_tiles(data), "small": _small_tiles(data)},
        "lengths": data.lengths and length_summary(data.lengths, data.exact_lengths, markup=data.markup > 0),
        "gc": data.gc and gc_summary(data.gc),
        "composition": _shares(data.composition),
        "splits": [_split_cells(split) for split in data.splits],
        "excluded": [(reason, exact(count)) for reason, count in data.excluded],
        "excluded_total": exact(sum(count for _, count in data.excluded)),
        "sources": [_source_cells(source, text) for source in data.sources[:SHOWN_SOURCES]],
        "more_sources": len(data.sources) - SHOWN_SOURCES,
        "settings": data.settings,
        "versions": data.versions,
    }
    figures = {
        "length_svg": Markup(length_figure(data.lengths)) if data.lengths else "",
        "gc_svg": Markup(gc_figure(data.gc)) if data.gc else "",
    }
    page, text_page = out / HTML, out / MARKDOWN
    write_texts(
        {
            page: render_page(_HERE / "card.html.j2", values | figures),
            text_page: render_text(_HERE / "card.md.j2", _escaped(values)),
        }
    )
    return page, text_page


def _subtitle(data: CardData) -> str:
    files = len(data.sources)
    return (
        f"{short(data.bases)} bases in {_counted(data.documents, 'document')} from {_counted(files, 'file')}, "
        f"in {_counted(len(data.splits), 'split')}"
    )


def _answer(data: CardData) -> str:
    """What the card says, in one sentence."""
    train = sum(split.bases for split in data.splits if split.name == "train")
    held_out = [split.name for split in data.splits if split.name != "train"]
    kept = f" and {_share(data.bases - train, data.bases)} held out for {' and '.join(held_out)}" if held_out else ""
    return f"A corpus of {short(data.bases)} bases: {short(train)} to train on{kept}."


def _large_tiles(data: CardData) -> list[dict[str, str]]:
    held_out = sum(split.bases for split in data.splits if split.name != "train")
    return [
        {"label": "Bases", "value": short(data.bases), "note": f"{exact(data.bases)}, both cases, all letters"},
        {"label": "Documents", "value": short(data.documents), "note": f"{exact(data.tokens)} tokens, one EOS each"},
        {"label": "Held out", "value": _share(held_out, data.bases), "note": "of the bases: validation and test"},
    ]


def _small_tiles(data: CardData) -> list[dict[str, str]]:
    left_out = sum(count for _, count in data.excluded)
    n_bases = data.composition["N"]
    return [
        {"label": "GC", "value": _share(*gc_and_acgt(data.composition)), "note": "of A, C, G and T"},
        {"label": "N", "value": _share(n_bases, data.bases), "note": f"{exact(n_bases)} bases"},
        {"label": "Soft-masked", "value": _share(data.soft_masked, data.bases), "note": "lower-case bases: repeats"},
        {"label": "Left out", "value": short(left_out), "note": "records, by the rules below"},
    ]


def _shares(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    total, most = sum(counts.values()), max(counts.values(), default=0)
    return [
        {"name": letter, "share": _share(count, total), "count": exact(count), "width": round(100 * count / most, 2)}
        for letter, count in counts.items()
        if count
    ]


def _split_cells(split: Split) -> Sequence[str]:
    return (
        split.name,
        exact(split.documents),
        exact(split.bases),
        exact(split.tokens),
        _share(*gc_and_acgt(split.composition)),
        _share(split.composition["N"], split.bases),
        _share(split.soft_masked, split.bases),
    )


def _source_cells(source: Source, text: CardText) -> Sequence[str]:
    name = Path(source.path).name
    licence = next((text.source_licences[key] for key in text.source_licences if fnmatch(name, key)), text.licence)
    counts = (exact(source.records), exact(source.bases), exact(source.bytes))
    return (name, licence or "not stated", *counts, source.sha256)


def _share(part: int, whole: int) -> str:
    """In percent, and never 0 or 100 where it is only nearly so."""
    if not whole:
        return "none"
    if 0 < part < whole and (nearly := {"0.00%": "< 0.01%", "100.00%": "> 99.99%"}.get(f"{part / whole:.2%}")):
        return nearly
    return f"{part / whole:.2%}"


def _counted(count: int, noun: str) -> str:
    return f"{exact(count)} {noun}{'' if count == 1 else 's'}"


def _escaped(value: Any) -> Any:
    """Texts escaped for Markdown, in a line and in a table cell."""
    if isinstance(value, str):
        marked = "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|&~" else letter for letter in value)
        return " ".join(marked.split())
    if isinstance(value, CardText):
        return _escaped(to_json(value))
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in value.items()}
    return type(value)(map(_escaped, value)) if isinstance(value, (list, tuple)) else value
