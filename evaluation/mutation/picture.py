"""A mutation map as SVG: letters as high as the reference's base matters, above a heat map of all mutants.

One block has 25 bases, about as wide as a telephone, and the page sets blocks side by side where there is room.
Colours are CSS variables of the page. Red: the model prefers the reference; green: it prefers the mutant.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TypeAlias

import numpy as np

from evaluation.mutation.mutants import BASES, DELETION, SNV, TILE
from evaluation.mutation.mutation_map import MutationMap, Values

BLOCK = 25  # bases
CELL = 13
LEFT, RIGHT, LOGO, GAP, AXIS = 30, 10, 58, 6, 16
_CAP = 0.72  # height of a capital letter, in ems
_FONT = 14


Layer: TypeAlias = tuple[str, Values]
"""What a row or rows of the heat map show, and delta, [rows, bases]."""


def layers_of(found: MutationMap) -> list[Layer]:
    """The SNVs, four rows; a row for each length of deletion, where it begins; one of tiles, over their bases."""
    rows: dict[str, Values] = {SNV: found.grid()}
    for mutant, effect in zip(found.mutants, found.effects, strict=True):
        if mutant.kind == SNV or effect is None:
            continue
        name = f"\N{MINUS SIGN}{mutant.end - mutant.start}" if mutant.kind == DELETION else TILE
        row = rows.setdefault(name, np.full((1, len(found.region.ids)), np.nan))
        start = mutant.start - found.region.start
        row[0, start : start + 1 if mutant.kind == DELETION else mutant.end - found.region.start] = effect.delta
    return list(rows.items())


def scales_of(maps: Sequence[MutationMap]) -> dict[str, float]:
    """For each layer the size of delta with the full colour: its 98th percentile, so that an outlier pales nothing."""
    sizes: dict[str, list[Values]] = {}
    for found in maps:
        for name, values in layers_of(found):
            sizes.setdefault(name, []).append(np.abs(values[np.isfinite(values)]))
    joined = {name: np.concatenate(parts) for name, parts in sizes.items()}
    return {name: float(np.percentile(all_of, 98)) or 1.0 for name, all_of in joined.items() if len(all_of)}


def draw(found: MutationMap, scales: Mapping[str, float]) -> list[str]:
    """The blocks of one map, each an `<svg>` element."""
    layers = [(name, values / scales.get(name, 1.0), values) for name, values in layers_of(found)]
    importance = found.importance()
    tallest = float(np.nanmax(np.abs(importance), initial=0.0)) or 1.0
    bases = len(found.region.ids)
    return [
        _block(found, layers, importance / tallest, first, min(first + BLOCK, bases))
        for first in range(0, bases, BLOCK)
    ]


def _block(
    found: MutationMap, layers: Sequence[tuple[str, Values, Values]], heights: Values, first: int, last: int
) -> str:
    parts = list(_letters(found.reference, heights, first, last))
    top = LOGO + GAP
    for name, strengths, values in layers:
        for number, row in enumerate(values):
            label = BASES[number] if name == SNV else name
            parts.append(f'<text class="label" x="{LEFT - 6}" y="{top + CELL - 3}">{label}</text>')
            parts += _cells(found, label, row, strengths[number], first, last, top)
            top += CELL
        top += 2
    parts += _axis(found.region.start, first, last, top)
    start = found.region.start + first + 1
    title = escape(f"{found.region.contig}:{start:,}-{found.region.start + last:,}")
    width, height = LEFT + BLOCK * CELL + RIGHT, top + AXIS
    return f'<svg viewBox="0 0 {width} {height}" role="img"><title>{title}</title>{"".join(parts)}</svg>'


def _letters(reference: str, heights: Values, first: int, last: int) -> Iterator[str]:
    """The reference's bases: upwards where it is preferred, hanging and faint where a mutant is."""
    middle = LOGO * 0.78
    yield f'<line class="zero" x1="{LEFT}" x2="{LEFT + (last - first) * CELL}" y1="{middle}" y2="{middle}"/>'
    for place in range(first, last):
        height, base = heights[place], reference[place]
        x = LEFT + (place - first + 0.5) * CELL
        if not np.isfinite(height):
            yield f'<text class="label n" x="{x}" y="{middle - 2}">{escape(base)}</text>'
            continue
        size = abs(height) * (middle if height > 0 else LOGO - middle)
        below = "" if height > 0 else " below"
        stretch = max(size, 0.4) / (_FONT * _CAP)
        y = middle if height > 0 else middle + size
        where = f'transform="translate({x} {y:.2f}) scale(1 {stretch:.3f})"'
        yield f'<text class="letter {base}{below}" {where}>{base}</text>'


def _cells(
    found: MutationMap, label: str, row: Values, strengths: Values, first: int, last: int, top: int
) -> Iterator[str]:
    for place in range(first, last):
        x, value = LEFT + (place - first) * CELL, row[place]
        if not np.isfinite(value):
            if found.reference[place] == label:
                yield f'<circle class="same" cx="{x + CELL / 2}" cy="{top + CELL / 2}" r="1.6"/>'
            continue
        colour, strength = "worse" if value < 0 else "better", min(1.0, abs(strengths[place]))
        where = f"{found.region.start + place + 1:,} {found.reference[place]} to {label}: {value:+.3f}"
        yield (
            f'<rect class="{colour}" x="{x}" y="{top}" width="{CELL - 1}" height="{CELL - 1}" '
            f'fill-opacity="{strength:.2f}"><title>{escape(where)}</title></rect>'
        )


def _axis(start: int, first: int, last: int, top: int) -> Iterator[str]:
    """Every tenth position, from 1."""
    for place in range(first, last):
        position = start + place + 1
        if position % 10 == 0:
            x = LEFT + (place - first + 0.5) * CELL
            yield f'<text class="tick" x="{x}" y="{top + 11}">{position:,}</text>'
