"""Mutation maps as one self-contained page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.mutation.mutants import SNV
from evaluation.mutation.mutation_files import rows
from evaluation.mutation.mutation_map import MutationMap
from evaluation.mutation.picture import draw, scales_of
from foundation.pages.page import render_page, write_texts
from foundation.pages.quantities import plural

SHOWN_MAPS, SHOWN_BASES, SHOWN_CHANGES = 20, 2000, 5


def write_page(maps: Sequence[MutationMap], path: Path, settings: Mapping[str, str]) -> None:
    """Write `path` with the first `SHOWN_MAPS` maps of up to `SHOWN_BASES` bases; the other files have them all."""
    shown = [one for one in maps if len(one.region.ids) <= SHOWN_BASES][:SHOWN_MAPS]
    scales = scales_of(shown or maps)
    rest = len(maps) - len(shown)
    longer = f"; regions above {SHOWN_BASES:,} bases are not drawn" if rest else ""
    page = {
        "title": maps[0].region.name if len(maps) == 1 else plural(len(maps), "region"),
        "subtitle": f"Model {settings['model']}, genome {settings['genome']}, windows of {int(settings['length']):,} "
        f"bases, strand {settings['strand']}, {settings['dtype']}.",
        "scale": f"{scales.get(SNV, 1.0):.2g} nats",
        "others": [(name, f"{scale:.2g} nats") for name, scale in scales.items() if name != SNV],
        "maps": [_view(one, scales) for one in shown],
        "more": f"{plural(rest, 'more region')} in the Parquet and VCF files{longer}." if rest else "",
    }
    write_texts({path: render_page(Path(__file__).parent / "templates" / "mutation.html.j2", page)})


def _view(one: MutationMap, scales: Mapping[str, float]) -> dict[str, Any]:
    from markupsafe import Markup

    region = one.region
    place = f"{region.contig}:{region.start + 1:,}-{region.start + len(region.ids):,}"
    return {
        "name": region.name,
        "note": f"{place}, {plural(len(one.mutants), 'mutant')}; positions count from 1.",
        "blocks": [Markup(block) for block in draw(one, scales)],  # escaped where it is made
        "extremes": _extremes(one),
    }


def _extremes(one: MutationMap) -> list[tuple[str, str, str, str]]:
    """The most harmful SNVs beside the most favoured ones."""
    known = sorted((row[7], row) for row in rows(one) if row[4] == SNV and row[7] is not None)
    worst, best = known[:SHOWN_CHANGES], known[::-1][:SHOWN_CHANGES]
    return [(*_change(*low), *_change(*high)) for low, high in zip(worst, best, strict=True)]


def _change(delta: float, row: tuple[Any, ...]) -> tuple[str, str]:
    start, ref, alt = row[2], row[5], row[6]
    return f"{start + 1:,} {ref} to {alt}", f"{delta:+.3f}".replace("-", "\N{MINUS SIGN}")
