"""A plan as a picture: memory of one GPU, stacked by part, of the recipe's layout and of those that were found."""

from pathlib import Path
from typing import TYPE_CHECKING

from foundation.atomic import atomic_file
from foundation.errors import InputError
from launch.planning.memory import GIB, Memory
from launch.planning.plan import Plan, precision_name
from launch.planning.text import LABELS, layout_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".pdf")

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = {
    "weights": "#0072B2",
    "gradients": "#56B4E9",
    "optimizer": "#009E73",
    "activations": "#E69F00",
    "logits": "#CC79A7",
    "workspace": "#D55E00",
    "reserve": "#BBBBBB",
}


def check_picture(path: Path) -> None:
    """Refuse a name whose end is none of FORMATS. Errors: `InputError`."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            "is not the name of a picture", where=path, fix=f"End it with {', '.join(FORMATS)}.", kind="picture-format"
        )


def write_picture(plan: Plan, path: Path) -> None:
    """Draw the plan into `path`, in the format of its suffix."""
    import matplotlib

    kind = path.suffix.lower().removeprefix(".")
    undated: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    # Text as text, and the same file of the same plan.
    with atomic_file(path) as temporary, matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "plan"}):
        draw(plan).savefig(temporary, format=kind, dpi=160, metadata=undated.get(kind))


def draw(plan: Plan) -> "Figure":
    """A bar for each layout, and a line where the memory of a GPU ends."""
    from matplotlib.figure import Figure

    bars, machine = _bars(plan), plan.config.hardware
    figure = Figure(figsize=(9, 1.8 + 0.7 * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    heights = range(len(bars))
    left = [0.0] * len(bars)
    for part, label in LABELS.items():
        sizes = [getattr(memory, part) / GIB for _, memory in bars]
        axes.barh(heights, sizes, left=left, height=0.5, color=COLOURS[part], label=label)
        left = [start + size for start, size in zip(left, sizes, strict=True)]
    for height, (text, memory) in enumerate(bars):
        axes.annotate(text, (0, height - 0.32), fontsize=9)
        axes.annotate(f" {memory.total / GIB:.1f}", (memory.total / GIB, height), va="center", weight="bold")
    axes.axvline(machine.memory_gib, color="#CC0000", linestyle="--", label=f"{machine.memory_gib:.1f} GiB of the GPU")
    axes.set_xlim(0, 1.1 * max([machine.memory_gib, *left]))
    axes.set_ylim(len(bars) - 0.5, -0.7)
    axes.set_yticks([])
    axes.set_xlabel("GiB, by arithmetic, not measured")
    axes.spines[["top", "right", "left"]].set_visible(False)
    title = f"{plan.recipe} on {plan.gpus} x {machine.gpu}, {precision_name(plan.config)}: memory of one GPU"
    axes.set_title(title, loc="left", weight="bold")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _bars(plan: Plan) -> list[tuple[str, Memory]]:
    """The recipe's layout; three others, or the one that needs the least where none fits."""
    own = [(f"recipe: {layout_text(plan.config)}", plan.memory)] if plan.memory else []
    shown = {layout_text(plan.config)} if plan.memory else set()
    others: list[tuple[str, Memory]] = []
    for one in plan.candidates:
        text = layout_text(one.config)
        if text not in shown and len(others) < 3:
            others.append((f"found: {text}", one.memory))
    least = plan.shortage.least if plan.shortage else None
    return [*own, *others, *([(f"least: {layout_text(least.config)}", least.memory)] if least else [])]
