"""Figures as inline SVG: colours are CSS variables of the page, so one drawing serves light and dark.

Matplotlib draws with a stand-in colour for each variable, which is then replaced by name in the SVG.
"""

import html
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

INK, MUTED, GRID, ACCENT, FAINT, BAR = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", ACCENT: "accent", FAINT: "accent-faint", BAR: "bar"}

_EDGE = 0.04  # inches beside a label


def canvas(height: float, *, width: float = 0.745) -> "tuple[Figure, Axes]":
    """A figure that is not part of pyplot's state, 9 inches wide, and axes `width` of that: the rest is for labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height))
    axes = figure.add_axes((0.07, 0.52 / height, width, 1 - 0.62 / height))
    axes.set_facecolor("none")
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelsize=9, length=0, pad=6)
    axes.xaxis.label.set(color=MUTED, size=9)
    axes.yaxis.label.set(color=MUTED, size=9)
    return figure, axes


def to_svg(figure: "Figure", name: str, title: str) -> str:
    """The figure as an `<svg>` element: no prolog, no metadata, ids of its own, text as text, the page's colours."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        metadata = {"Date": None, "Creator": None}
        figure.savefig(stream, format="svg", transparent=True, metadata=metadata, bbox_inches=_whole(figure))
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'id="([\w.]+_\d+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    named = f' role="img"><title>{html.escape(title)}</title>'
    return re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", lambda found: f"<svg {found[1]}{named}", svg, count=1)


def _whole(figure: "Figure") -> "Bbox":
    """The figure, in inches, made wider where its labels reach beyond its sides, so that none is cut."""
    from matplotlib.transforms import Bbox

    width, height = figure.get_size_inches()
    drawn = figure.get_tightbbox()
    return Bbox.from_extents(min(0.0, drawn.x0 - _EDGE), 0.0, max(width, drawn.x1 + _EDGE), height)
