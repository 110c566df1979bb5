"""A corpus's data card, as a page and as Markdown: what it holds, where that is from, what was left out.

Made from `manifest.json` and the indices beside it, and from what its maker says of licences and purpose.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus.card.data import CardData, card_data, gc_and_acgt
from corpus.card.figures import gc_figure, length_figure
from corpus.card.histogram import gc_summary, length_summary
from corpus.card.lengths import read_lengths
from corpus.card.tables import CONTENT, content_cells, counted, letter_shares, share, source_cells, split_cells
from corpus.manifest import read_manifest
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
        "composition": letter_shares(data.composition),
        "splits": [split_cells(split, data.shared.get(split.name)) for split in data.splits],
        "excluded": [(reason, exact(count)) for reason, count in data.excluded],
        "excluded_total": exact(sum(count for _, count in data.excluded)),
        "sources": [
            source_cells(source, text.source_licences, text.licence) for source in data.sources[:SHOWN_SOURCES]
        ],
        "contents": [content_cells(source) for source in data.sources[:SHOWN_SOURCES] if source.content],
        "content_head": CONTENT,
        "doubts": data.doubts,
        "shared": bool(data.shared),
        "more_sources": len(data.sources) - SHOWN_SOURCES,
        "settings": data.settings,
        "versions": data.versions,
    }
    figures = {
        "length_svg": Markup(length_figure(data.lengths)) if len(data.lengths) > 1 else "",  # not of one length
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
        f"{short(data.bases)} bases in {counted(data.documents, 'document')} from {counted(files, 'file')}, "
        f"in {counted(len(data.splits), 'split')}"
    )


def _answer(data: CardData) -> str:
    """What the card says, in one sentence."""
    train = sum(split.bases for split in data.splits if split.name == "train")
    held_out = [split.name for split in data.splits if split.name != "train"]
    kept = f" and {share(data.bases - train, data.bases)} held out for {' and '.join(held_out)}" if held_out else ""
    return f"A corpus of {short(data.bases)} bases: {short(train)} to train on{kept}."


def _large_tiles(data: CardData) -> list[dict[str, str]]:
    held_out = sum(split.bases for split in data.splits if split.name != "train")
    return [
        {"label": "Bases", "value": short(data.bases), "note": f"{exact(data.bases)}, both cases, all letters"},
        {"label": "Documents", "value": short(data.documents), "note": f"{exact(data.tokens)} tokens, one EOS each"},
        {"label": "Held out", "value": share(held_out, data.bases), "note": "of the bases: validation and test"},
    ]


def _small_tiles(data: CardData) -> list[dict[str, str]]:
    left_out = sum(count for _, count in data.excluded)
    n_bases = data.composition["N"]
    return [
        {"label": "GC", "value": share(*gc_and_acgt(data.composition)), "note": "of A, C, G and T"},
        {"label": "N", "value": share(n_bases, data.bases), "note": f"{exact(n_bases)} bases"},
        {"label": "Soft-masked", "value": share(data.soft_masked, data.bases), "note": "lower-case bases: repeats"},
        {"label": "Left out", "value": short(left_out), "note": "records, by the rules below"},
    ]


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
